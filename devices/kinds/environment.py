"""Environment sensor, indoors or out: climate, air, noise, wind, rain."""

from devices.kind import (
    BATTERY_LOW,
    FAULT,
    FAULTY,
    ILLUMINANCE,
    LOW_BATTERY,
    TEMPERATURE,
    Metric,
    make_kind,
)

ENVIRONMENT = make_kind(
    "environment",
    "环境监测器",
    "environment sensor",
    supervision_s=3600,
    metrics=(
        TEMPERATURE,
        Metric(key="humidity", unit="%", low=0, high=100, resolution=0.1, zh="相对湿度", en="relative humidity"),
        # What barometer chips show; the air of people lies between 500 and 1,085.
        Metric(key="pressure", unit="hPa", low=300, high=1250, resolution=0.1, zh="气压", en="air pressure"),
        ILLUMINANCE,
        # Infrared sensors (NDIR) show up to 10,000 ppm; outdoors it is 420.
        Metric(key="co2", unit="[ppm]", low=0, high=10_000, zh="二氧化碳", en="carbon dioxide"),
        # Laser particle counters measure to 500 or 1,000, and show more.
        Metric(key="pm25", unit="ug/m3", low=0, high=2000, zh="细颗粒物 PM2.5", en="PM2.5"),
        Metric(key="pm10", unit="ug/m3", low=0, high=3000, zh="可吸入颗粒物 PM10", en="PM10"),
        # Metal oxide sensors show 0 to 60,000 ppb.
        Metric(
            key="tvoc", unit="[ppb]", low=0, high=60_000, zh="总挥发性有机物", en="total volatile organic compounds"
        ),
        # IEC 61672 class 2 meters show 30 to 130 dB(A).
        Metric(
            key="noise", unit="dB[SPL]", low=0, high=140, resolution=0.1, zh="噪声（A 计权）", en="noise, A-weighted"
        ),
        Metric(key="wind_speed", unit="m/s", low=0, high=75, resolution=0.1, zh="风速", en="wind speed"),
        Metric(key="wind_direction", unit="deg", low=0, high=360, zh="风向", en="wind direction, where it comes from"),
        # The heaviest hour ever measured brought 305 mm. Tipping buckets count in 0.2 or 0.25 mm.
        Metric(key="rain_rate", unit="mm/h", low=0, high=500, resolution=0.1, zh="雨强", en="rain rate"),
        Metric(
            key="rain", unit="mm", low=0, high=100_000, resolution=0.1, zh="累计雨量", en="rain since it was set up"
        ),
    ),
    events=(FAULT, LOW_BATTERY),
    states=(FAULTY, BATTERY_LOW),
)
