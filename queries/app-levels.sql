-- app-levels: how much the system log says each hour, by level and module
-- group: system log
-- columns: date date, hour bigint, level text, module text, records bigint
-- key: date hour level module
-- top: 0
-- chart: line date hour records by level module
-- level: how bad it is: DEBUG, INFO, WARNING, ERROR, CRITICAL
-- module: the module that wrote the records
-- records: how many there are; a record may be spread over several lines
SELECT
  event_date AS date,
  event_hour AS hour,
  level,
  module,
  COUNT(*) AS records
FROM app_events
GROUP BY event_date, event_hour, level, module
ORDER BY date NULLS LAST, hour NULLS LAST, level NULLS LAST, module NULLS LAST
