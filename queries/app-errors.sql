-- app-errors: which errors the system log tells of, how often, since when
-- group: system log
-- columns: message text, level text, module text, count bigint, first_seen timestamp, last_seen timestamp
-- key: message level module
-- top: 20
-- chart: bar message count
-- message: what the records of one error have in common, with placeholders for numbers and ids; the exception of a traceback behind …
-- level: ERROR or worse
-- module: the module that wrote the records
-- count: how many records there are
-- first_seen: timestamp of the first one
-- last_seen: timestamp of the last one
SELECT
  message_template AS message,
  level,
  module,
  COUNT(*) AS count,
  MIN(timestamp) AS first_seen,
  MAX(timestamp) AS last_seen
FROM app_events
WHERE level IN ('ERROR', 'CRITICAL', 'FATAL')
GROUP BY message_template, level, module
ORDER BY count DESC, message NULLS LAST, level, module NULLS LAST
