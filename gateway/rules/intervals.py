"""Where the values of an expression can lie: what can never hold is found before a rule runs."""

from __future__ import annotations

from gateway.rules.terms import SMALLEST_DIVISOR, Number


def unit_of(symbol: str, left: Number, right: Number) -> str | None:
    """The unit of a result; None where it has none of its own, as a ratio of two lengths."""
    if symbol in "+-":
        return left.unit or right.unit
    if symbol == "*":
        return None if left.unit and right.unit else left.unit or right.unit
    return None if right.unit else left.unit


def verdict(symbol: str, left: Number, right: Number) -> tuple[bool, bool]:
    """Whether a comparison can never hold, and whether it always does, by the intervals of its sides."""
    match symbol:
        case "<":
            return left.low >= right.high, left.high < right.low
        case "<=":
            return left.low > right.high, left.high <= right.low
        case ">":
            return left.high <= right.low, left.low > right.high
        case ">=":
            return left.high < right.low, left.low >= right.high
    apart = left.high < right.low or right.high < left.low
    same = left.low == left.high == right.low == right.high
    return (apart, same) if symbol == "==" else (same, apart)


def interval(symbol: str, left: Number, right: Number) -> tuple[float, float]:
    """The interval that the result of reckoning cannot leave."""
    match symbol:
        case "+":
            return left.low + right.low, left.high + right.high
        case "-":
            return left.low - right.high, left.high - right.low
        case "*":
            corners = [a * b for a in (left.low, left.high) for b in (right.low, right.high)]
            return min(corners), max(corners)
    if right.low <= 0 <= right.high:
        largest = max(abs(left.low), abs(left.high)) / SMALLEST_DIVISOR
        return -largest, largest
    corners = [a / b for a in (left.low, left.high) for b in (right.low, right.high)]
    return min(corners), max(corners)


def divide(left: float, right: float) -> float:
    """``left / right``. Raises ZeroDivisionError also for a divisor so small that the result says nothing."""
    if -SMALLEST_DIVISOR < right < SMALLEST_DIVISOR:
        raise ZeroDivisionError
    return left / right
