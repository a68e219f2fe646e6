"""Try rules on history before they rule: what they would have raised, beside the rules in force (docs/backtest.md)."""
