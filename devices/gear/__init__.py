"""Off-the-shelf gear: what profiles share. A profile makes `Said` of foreign bytes, `memory` makes observations of that."""
