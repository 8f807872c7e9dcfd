-- The half-hour, demand and transfer now, and what prices and directions were known by now.
WITH past AS (
    SELECT
        event_time,
        known_at,
        nswprice,
        class,
        avg(nswprice) OVER day AS price_mean_day,
        stddev_samp(nswprice) OVER day AS price_spread_day,
        avg((class = 'UP')::INT) OVER day AS up_share_day
    FROM labels
    WINDOW day AS (ORDER BY event_time ROWS BETWEEN 47 PRECEDING AND CURRENT ROW)
)

SELECT
    v.event_time,
    v.day,
    v.period,
    v.nswdemand,
    v.vicprice,
    v.vicdemand,
    v.transfer,
    last.nswprice AS price_last,
    (last.class = 'UP')::INT AS up_last,
    last.price_mean_day,
    last.price_spread_day,
    last.up_share_day,
    last.nswprice - last.price_mean_day AS price_against_mean,
    before.nswprice AS price_before,
    last.nswprice - before.nswprice AS price_step,
    day_ago.nswprice AS price_day_ago,
    day_ago.nswprice - last.price_mean_day AS day_ago_against_mean,
    (day_ago.class = 'UP')::INT AS up_day_ago,
    day_ago.nswprice - day_ago_before.nswprice AS price_step_day_ago,
    week_ago.nswprice AS price_week_ago,
    (week_ago.class = 'UP')::INT AS up_week_ago,
    v.nswdemand - demand_ago.nswdemand AS demand_change_day
FROM validated_data AS v
ASOF LEFT JOIN past AS last ON last.known_at <= v.event_time
LEFT JOIN labels AS before ON before.event_time = v.event_time - INTERVAL 60 MINUTES
LEFT JOIN labels AS day_ago ON day_ago.event_time = v.event_time - INTERVAL 24 HOURS
LEFT JOIN labels AS day_ago_before
    ON day_ago_before.event_time = v.event_time - INTERVAL 1470 MINUTES
LEFT JOIN labels AS week_ago ON week_ago.event_time = v.event_time - INTERVAL 168 HOURS
LEFT JOIN validated_data AS demand_ago
    ON demand_ago.event_time = v.event_time - INTERVAL 24 HOURS
