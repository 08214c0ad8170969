-- entry-exit: on which pages visits begin, and on which people leave
-- group: behaviour
-- columns: page text, views bigint, sessions bigint, entries bigint, exits bigint, exit_rate double, bounces bigint, bounce_rate double
-- key: page
-- top: 10
-- chart: bar page exits
-- views: how often it was shown in a session
-- sessions: distinct sessions in which it was shown
-- entries: sessions whose first page it was
-- exits: sessions whose last page it was
-- exit_rate: exits / sessions
-- bounces: sessions in which it was shown once and nothing else
-- bounce_rate: bounces / entries
WITH viewed AS (
  SELECT
    visitor_id,
    session_number,
    page,
    LAG(page) OVER (PARTITION BY visitor_id, session_number ORDER BY epoch_us, page) AS page_before,
    LAG(page) OVER (PARTITION BY visitor_id, session_number ORDER BY epoch_us DESC, page DESC) AS page_after
  FROM events
  WHERE is_page_view AND session_number IS NOT NULL
),
visits AS (
  SELECT
    page,
    visitor_id,
    session_number,
    COUNT(*) AS views,
    SUM(CAST(CASE WHEN page_before IS NULL THEN 1 ELSE 0 END AS BIGINT)) AS entries,
    SUM(CAST(CASE WHEN page_after IS NULL THEN 1 ELSE 0 END AS BIGINT)) AS exits
  FROM viewed
  GROUP BY page, visitor_id, session_number
),
counted AS (
  SELECT
    page,
    SUM(CAST(views AS BIGINT)) AS views,
    COUNT(*) AS sessions,
    SUM(CAST(entries AS BIGINT)) AS entries,
    SUM(CAST(exits AS BIGINT)) AS exits,
    SUM(CAST(CASE WHEN views = 1 AND entries = 1 AND exits = 1 THEN 1 ELSE 0 END AS BIGINT)) AS bounces
  FROM visits
  GROUP BY page
)
SELECT
  page,
  views,
  sessions,
  entries,
  exits,
  CAST(exits AS DOUBLE) / CAST(sessions AS DOUBLE) AS exit_rate,
  bounces,
  CASE WHEN entries > 0 THEN CAST(bounces AS DOUBLE) / CAST(entries AS DOUBLE) END AS bounce_rate
FROM counted
ORDER BY exits DESC, entries DESC, views DESC, page
