-- One row a reading: what was measured, what is commanded next, the rig, and its recent past.
SELECT
    v.rig,
    v.event_time,

    -- the reading
    v.amplitude_mm,
    v.period_s,
    v.peak_velocity_mm_s,
    v.offset_mm,
    v.coil_temperature_c,
    v.supply_voltage_v,
    v.ambient_temperature_c,
    v.load,

    -- the coming pulse: impulse and heating go with current and its square
    v.pulse_current_a,
    v.pulse_s,
    v.pulse_current_a * v.pulse_s AS pulse_charge_as,
    v.pulse_current_a * v.pulse_current_a * v.pulse_s AS pulse_heat_a2s,

    -- the rig
    v.rig AS rig_name,
    r.mass_kg,
    r.spring_batch,
    r.surface,

    -- its recent past
    avg(v.amplitude_mm) OVER recent AS amplitude_recent_mm,
    v.amplitude_mm - avg(v.amplitude_mm) OVER recent AS amplitude_change_mm,
    avg(v.offset_mm) OVER recent AS offset_recent_mm
FROM validated_data AS v
LEFT JOIN rigs AS r USING (rig)
WINDOW recent AS (
    PARTITION BY v.rig ORDER BY v.event_time
    RANGE BETWEEN INTERVAL 6 HOURS PRECEDING AND CURRENT ROW
)
