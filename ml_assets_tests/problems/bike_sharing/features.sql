-- The hour, the weather that is forecast for it, and how many bikes were rented at such hours.
WITH recent AS (
    SELECT
        known_at,
        avg(cnt) OVER week AS mean_week,
        avg(cnt) OVER day AS mean_day
    FROM labels
    WINDOW
        week AS (ORDER BY event_time RANGE BETWEEN INTERVAL 167 HOURS PRECEDING AND CURRENT ROW),
        day AS (ORDER BY event_time RANGE BETWEEN INTERVAL 23 HOURS PRECEDING AND CURRENT ROW)
)

SELECT
    v.event_time,
    v.hr,
    v.weekday,
    v.mnth,
    v.season,
    v.holiday,
    v.workingday,
    CASE WHEN v.workingday = 1 THEN 'working day' ELSE 'day off' END AS workingday_text,
    v.weathersit,
    v.temp,
    v.atemp,
    v.hum,
    nullif(v.windspeed, 0) AS windspeed,
    l24.cnt AS lag_day,
    l48.cnt AS lag_two_days,
    l168.cnt AS lag_week,
    l336.cnt AS lag_two_weeks,
    r.mean_week,
    r.mean_day,
    l168.cnt / nullif(r.mean_week, 0) AS week_share
FROM validated_data AS v
LEFT JOIN labels AS l24 ON l24.event_time = v.event_time - INTERVAL 24 HOURS
LEFT JOIN labels AS l48 ON l48.event_time = v.event_time - INTERVAL 48 HOURS
LEFT JOIN labels AS l168 ON l168.event_time = v.event_time - INTERVAL 168 HOURS
LEFT JOIN labels AS l336 ON l336.event_time = v.event_time - INTERVAL 336 HOURS
ASOF LEFT JOIN recent AS r ON r.known_at <= v.event_time
