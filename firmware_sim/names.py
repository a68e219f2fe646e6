"""Names of people for communities that are made up."""

from __future__ import annotations

import random

SURNAMES = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
OLD_WOMEN = "秀兰 桂英 玉珍 凤英 淑珍 淑兰 秀英 玉兰 素琴 桂芳 慧敏 雅琴 月英 翠兰 美华 佩芬"
OLD_MEN = "建国 德明 志强 国庆 永福 长顺 文彬 世荣 振华 宝山 景明 连生 福海 士杰 庆林 树声"
YOUNG = "晓燕 丽 伟 敏 静 强 磊 洋 勇 军 杰 娟 涛 明 超 霞 平 刚 鑫 宇 婷 雪 鹏 博 倩 凯 琳 昊 蕾 思远 佳怡 子涵"
CONDITIONS = ("高血压", "冠心病", "2型糖尿病", "脑梗死后", "慢阻肺", "房颤", "骨质疏松", "膝关节炎", "白内障术后")
RELATIONS = ("女儿", "儿子", "侄女", "孙女", "邻居")
KIN = ("女儿", "儿子", "侄女")
"""Who has the resident's own surname."""


def name(rng: random.Random, given: str, surname: str | None = None) -> str:
    """A surname, drawn where it is not given, and one of the ``given`` names."""
    return (surname or rng.choice(SURNAMES)) + rng.choice(given.split())
