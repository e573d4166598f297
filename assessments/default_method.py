"""The method the product comes with. Levels are log-spaced, so that their geometric centres rank rightly."""

from typing import Any

_IMPACT_LABELS = [
    ("Negligible", "可忽略"),
    ("Minor", "较小"),
    ("Moderate", "中等"),
    ("Major", "较大"),
    ("Severe", "严重"),
]


def _impact(ranges: list[tuple[int, int]], descriptors: list[tuple[str, str]]) -> list[dict[str, Any]]:
    return [
        {
            "label": {"en": en, "zh": zh},
            "low": low,
            "high": high,
            "descriptor": {"en": described_en, "zh": described_zh},
        }
        for (en, zh), (low, high), (described_en, described_zh) in zip(_IMPACT_LABELS, ranges, descriptors, strict=True)
    ]


_MONEY = [(2_000, 10_000), (10_000, 50_000), (50_000, 250_000), (250_000, 1_000_000), (1_000_000, 5_000_000)]

DEFAULT_METHOD: dict[str, Any] = {
    "likelihood": [
        {"label": {"en": "Rare", "zh": "罕见"}, "low": 0.01, "high": 0.03},
        {"label": {"en": "Unlikely", "zh": "不太可能"}, "low": 0.03, "high": 0.10},
        {"label": {"en": "Possible", "zh": "可能"}, "low": 0.10, "high": 0.30},
        {"label": {"en": "Likely", "zh": "很可能"}, "low": 0.30, "high": 0.60},
        {"label": {"en": "Almost certain", "zh": "几乎肯定"}, "low": 0.60, "high": 0.95},
    ],
    "dimensions": [
        {
            "key": "financial",
            "label": {"en": "Financial", "zh": "财务"},
            "weight": 0.5,
            "levels": _impact(
                _MONEY,
                [
                    ("One small order", "一笔小订单"),
                    ("A deal of usual size", "一笔普通商机"),
                    ("Several deals or a mid-size account", "数笔商机或一个中型客户"),
                    ("A key account's year", "一个重点客户的全年收入"),
                    ("A region's target", "一个区域的全年目标"),
                ],
            ),
        },
        {
            "key": "reputation",
            "label": {"en": "Reputation", "zh": "声誉"},
            "weight": 0.25,
            "levels": _impact(
                _MONEY,
                [
                    ("One complaint", "个别投诉"),
                    ("Complaints of several customers", "数个客户投诉"),
                    ("Talked about in the trade", "业内议论"),
                    ("Reported in the media, references lost", "媒体报道，失去标杆客户"),
                    ("Lasting loss of trust", "信任长期受损"),
                ],
            ),
        },
        {
            "key": "market_share",
            "label": {"en": "Market share", "zh": "市场份额"},
            "weight": 0.25,
            "levels": _impact(
                _MONEY,
                [
                    ("Not measurable", "难以察觉"),
                    ("Below half a point", "不足 0.5 个百分点"),
                    ("About one point", "约 1 个百分点"),
                    ("Two to three points", "2 至 3 个百分点"),
                    ("A market position lost", "丧失市场地位"),
                ],
            ),
        },
    ],
    "combination": "hybrid",
    "bands": [
        {
            "label": {"en": "Low", "zh": "低"},
            "threshold": 0,
            "colour": "green",
            "review_days": 180,
            "tolerable": True,
        },
        {
            "label": {"en": "Moderate", "zh": "中"},
            "threshold": 35,
            "colour": "yellow",
            "review_days": 90,
            "tolerable": True,
        },
        {
            "label": {"en": "High", "zh": "高"},
            "threshold": 58,
            "colour": "orange",
            "review_days": 30,
            "tolerable": False,
        },
        {
            "label": {"en": "Critical", "zh": "极高"},
            "threshold": 75,
            "colour": "red",
            "review_days": 14,
            "tolerable": False,
        },
    ],
}
