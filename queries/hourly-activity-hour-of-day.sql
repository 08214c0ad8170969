-- hourly-activity-hour-of-day: how much happened in each hour of the day, all days together
-- group: behaviour
-- columns: hour bigint, lines bigint, actions bigint
-- key: hour
-- variant-of: hourly-activity
-- top: 0
-- chart: bar hour actions
-- lines: log lines written in this hour
-- actions: what people did, once each, in this hour
SELECT
  event_hour AS hour,
  COUNT(*) AS lines,
  SUM(CAST(NOT paired AS BIGINT)) AS actions
FROM events
GROUP BY event_hour
ORDER BY hour NULLS LAST
