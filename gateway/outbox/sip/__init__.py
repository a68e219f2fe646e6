"""Voice calls over a SIP trunk: one baresip for each line, as a child that is watched (docs/decisions/0028)."""
