"""Off-the-shelf gear: what profiles share. A profile makes `Said` of foreign bytes, `memory` observations of that."""
