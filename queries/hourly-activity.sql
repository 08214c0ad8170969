-- hourly-activity: how much happened in each hour of each day
-- group: behaviour
-- columns: date date, hour bigint, lines bigint, actions bigint
-- key: date hour
-- variants: by hour-of-day weekday-hour
-- top: 0
-- chart: line date hour actions
-- lines: log lines written in this hour
-- actions: what people did, once each, in this hour
SELECT
  event_date AS date,
  event_hour AS hour,
  COUNT(*) AS lines,
  SUM(CAST(NOT paired AS BIGINT)) AS actions
FROM events
GROUP BY event_date, event_hour
ORDER BY date NULLS LAST, hour NULLS LAST
