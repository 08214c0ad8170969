-- paths: the ways that most sessions take through the pages, by step
-- group: behaviour
-- params: steps bigint = 5
-- steps: how many steps of each session are followed
-- columns: step bigint, source text, target text, sessions bigint
-- key: step source target
-- top: 20
-- chart: bar step source target sessions
-- step: 1 is from a session's first page to the next different one; a page shown again at once is no step
-- source: the page that was left
-- target: the page that came next; (left) where the session ended
-- sessions: sessions whose step of this number it was
WITH viewed AS (
  SELECT
    visitor_id,
    session_number,
    epoch_us,
    page,
    LAG(page) OVER (PARTITION BY visitor_id, session_number ORDER BY epoch_us DESC, page DESC) AS page_after
  FROM events
  WHERE is_page_view AND session_number IS NOT NULL
),
moved AS (
  SELECT
    page,
    page_after,
    COUNT(*) OVER (
      PARTITION BY visitor_id, session_number ORDER BY epoch_us, page
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS step
  FROM viewed
  WHERE page_after IS NULL OR page_after <> page
),
named AS (
  SELECT step, page AS source, COALESCE(page_after, '(left)') AS target
  FROM moved
  WHERE step <= /*:steps*/ 5
)
SELECT step, source, target, COUNT(*) AS sessions
FROM named
GROUP BY step, source, target
ORDER BY sessions DESC, step, source, target
