-- sessions: how many visits a day, how long, and how many of one page
-- group: behaviour
-- columns: date date, sessions bigint, visitors bigint, page_views bigint, pages_per_session double, bounces bigint, bounce_rate double, median_seconds double, p90_seconds double
-- key: date
-- top: 0
-- headlines: Sessions = sessions, Bounce rate = bounces / sessions
-- chart: line date sessions
-- date: the day the session began on; midnight does not split it (--split-midnight does)
-- visitors: distinct visitors of these sessions
-- page_views: pages that were shown in these sessions
-- pages_per_session: page_views / sessions
-- bounces: sessions in which one page was shown and no more
-- bounce_rate: bounces / sessions
-- median_seconds: from a session's first event to its last, median
-- p90_seconds: the same, 90th percentile (linear interpolation)
WITH visits AS (
  SELECT
    visitor_id,
    session_number,
    MIN(event_date) AS begin_date,
    CAST(MAX(epoch_us) - MIN(epoch_us) AS DOUBLE) / CAST(1000000 AS DOUBLE) AS seconds,
    SUM(CAST(is_page_view AS BIGINT)) AS pages
  FROM events
  WHERE session_number IS NOT NULL
  GROUP BY visitor_id, session_number
),
daily AS (
  SELECT
    begin_date,
    COUNT(*) AS sessions,
    COUNT(DISTINCT visitor_id) AS visitors,
    SUM(CAST(pages AS BIGINT)) AS page_views,
    SUM(CAST(CASE WHEN pages = 1 THEN 1 ELSE 0 END AS BIGINT)) AS bounces,
    quantile_cont(seconds, 0.5) AS median_seconds,
    quantile_cont(seconds, 0.9) AS p90_seconds
  FROM visits
  GROUP BY begin_date
)
SELECT
  begin_date AS date,
  sessions,
  visitors,
  page_views,
  CAST(page_views AS DOUBLE) / CAST(sessions AS DOUBLE) AS pages_per_session,
  bounces,
  CAST(bounces AS DOUBLE) / CAST(sessions AS DOUBLE) AS bounce_rate,
  median_seconds,
  p90_seconds
FROM daily
ORDER BY date
