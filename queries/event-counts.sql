-- event-counts: how often each type of event occurred
-- columns: event_type text, lines bigint, actions bigint, first_seen timestamp, last_seen timestamp
-- top: 0
-- chart: bar event_type actions
-- lines: log lines of this type, as the shop wrote them
-- actions: what people did, once each: a search or cart addition that wrote two lines counts once
-- first_seen: timestamp of the first line
-- last_seen: timestamp of the last line
WITH counted AS (
  SELECT
    event_type,
    COUNT(*) AS lines,
    SUM(CAST(NOT paired AS BIGINT)) AS actions,
    MIN(timestamp) AS first_seen,
    MAX(timestamp) AS last_seen
  FROM events
  GROUP BY event_type
)
SELECT COALESCE(event_type, '(none)') AS event_type, lines, actions, first_seen, last_seen
FROM counted
ORDER BY lines DESC, event_type
