-- The hour, the weather, the day's holiday, and the traffic at such hours.
WITH recent AS (
    SELECT
        known_at,
        avg(traffic_volume) OVER (
            ORDER BY event_time RANGE BETWEEN INTERVAL 167 HOURS PRECEDING AND CURRENT ROW
        ) AS mean_week
    FROM labels
),

-- a holiday is written at its first hour only
holidays AS (
    SELECT date_trunc('day', event_time) AS day, max(holiday) AS name
    FROM validated_data
    WHERE holiday <> 'None'
    GROUP BY 1
)

SELECT
    v.event_time,
    hour(v.event_time) AS hour_of_day,
    dayofweek(v.event_time) AS weekday,
    month(v.event_time) AS month_of_year,
    dayofweek(v.event_time) * 24 + hour(v.event_time) AS hour_of_week,
    h.name AS holiday,
    v.temp,
    v.rain_1h,
    v.snow_1h,
    v.clouds_all,
    v.weather_main,
    l24.traffic_volume AS lag_day,
    l168.traffic_volume AS lag_week,
    r.mean_week
FROM validated_data AS v
LEFT JOIN holidays AS h ON h.day = date_trunc('day', v.event_time)
LEFT JOIN labels AS l24 ON l24.event_time = v.event_time - INTERVAL 24 HOURS
LEFT JOIN labels AS l168 ON l168.event_time = v.event_time - INTERVAL 168 HOURS
ASOF LEFT JOIN recent AS r ON r.known_at <= v.event_time
