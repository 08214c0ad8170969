-- event-counts: how often each type of event occurred
-- group: behaviour
-- columns: event_type text, lines bigint, actions bigint, first_seen timestamp, last_seen timestamp
-- key: event_type
-- top: 0
-- headlines: Actions = actions
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
),
named AS (
  SELECT COALESCE(event_type, '(none)') AS name, lines, actions, first_seen, last_seen
  FROM counted
)
SELECT
  name AS event_type,
  SUM(CAST(lines AS BIGINT)) AS lines,
  SUM(CAST(actions AS BIGINT)) AS actions,
  MIN(first_seen) AS first_seen,
  MAX(last_seen) AS last_seen
FROM named
GROUP BY name
ORDER BY lines DESC, actions DESC, event_type
