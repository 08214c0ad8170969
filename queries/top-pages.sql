-- top-pages: which pages are seen most, and by how many
-- group: behaviour
-- columns: page text, views bigint, share double, visitors bigint, sessions bigint, views_per_session double
-- key: page
-- top: 10
-- chart: bar page views
-- page: a path with numbers replaced: /products/{id} is every product's page
-- views: how often it was shown
-- share: views / views of all pages
-- visitors: distinct visitors who saw it
-- sessions: distinct sessions in which it was seen; what is left of one that began before --since is none
-- views_per_session: views in these sessions / sessions
WITH seen AS (
  SELECT page, visitor_id, session_number, COUNT(*) AS views
  FROM events
  WHERE is_page_view
  GROUP BY page, visitor_id, session_number
),
counted AS (
  SELECT
    page,
    SUM(CAST(views AS BIGINT)) AS views,
    COUNT(DISTINCT visitor_id) AS visitors,
    COUNT(session_number) AS sessions,
    SUM(CAST(CASE WHEN session_number IS NOT NULL THEN views ELSE 0 END AS BIGINT)) AS session_views
  FROM seen
  GROUP BY page
),
totals AS (
  SELECT COUNT(*) AS all_views FROM events WHERE is_page_view
)
SELECT
  page,
  views,
  CAST(views AS DOUBLE) / CAST(all_views AS DOUBLE) AS share,
  visitors,
  sessions,
  CASE WHEN sessions > 0 THEN CAST(session_views AS DOUBLE) / CAST(sessions AS DOUBLE) END AS views_per_session
FROM counted CROSS JOIN totals
ORDER BY views DESC, visitors DESC, page
