-- hourly-activity-weekday-hour: how much happened in each hour of the week: the best time for marketing
-- group: behaviour
-- columns: weekday bigint, hour bigint, lines bigint, actions bigint
-- key: weekday hour
-- variant-of: hourly-activity
-- top: 0
-- chart: heatmap weekday hour actions
-- weekday: 1 is Monday, 7 is Sunday
-- lines: log lines written in this hour
-- actions: what people did, once each, in this hour
SELECT
  weekday,
  event_hour AS hour,
  COUNT(*) AS lines,
  SUM(CAST(NOT paired AS BIGINT)) AS actions
FROM events
GROUP BY weekday, event_hour
ORDER BY weekday NULLS LAST, hour NULLS LAST
