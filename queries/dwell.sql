-- dwell: how long pages are read, and how far down
-- group: behaviour
-- columns: page text, views bigint, measured bigint, median_seconds double, p90_seconds double, scrolls bigint, median_scroll double
-- key: page
-- top: 10
-- chart: bar page median_seconds
-- page: a path with numbers replaced; left out is what was neither measured nor scrolled, and what was asked for and never shown, such as a 404 or a form's target
-- views: how often it was shown
-- measured: how often the server measured how long it was read, until the visitor's next page; the last page of a visit has no such time, and a form sent to the page's own address counts as the page
-- median_seconds: how long, by the server's clock, median; the page's script measures the same visits again, in its own way, so its times are not added
-- p90_seconds: the same, 90th percentile (linear interpolation)
-- scrolls: how often the page's script said how far it was scrolled
-- median_scroll: how far down, in per cent of the page, median
WITH measures AS (
  SELECT
    page,
    CASE WHEN is_page_view THEN 1 ELSE 0 END AS is_view,
    CASE WHEN kind = 'request' THEN 1 ELSE 0 END AS is_request,
    CASE WHEN event_type = 'server_dwell_time' AND dwell_time_seconds >= 0 THEN dwell_time_seconds END AS seconds,
    CASE WHEN event_type = 'page_dwell' AND max_scroll_percentage BETWEEN 0 AND 100 THEN max_scroll_percentage END AS scroll
  FROM events
  WHERE page IS NOT NULL AND (kind = 'request' OR event_type IN ('server_dwell_time', 'page_dwell'))
),
counted AS (
  SELECT
    page,
    SUM(CAST(is_view AS BIGINT)) AS views,
    SUM(CAST(is_request AS BIGINT)) AS requests,
    COUNT(seconds) AS measured,
    quantile_cont(seconds, 0.5) AS median_seconds,
    quantile_cont(seconds, 0.9) AS p90_seconds,
    COUNT(scroll) AS scrolls,
    quantile_cont(scroll, 0.5) AS median_scroll
  FROM measures
  GROUP BY page
)
SELECT page, views, measured, median_seconds, p90_seconds, scrolls, median_scroll
FROM counted
WHERE (views > 0 OR requests = 0) AND (measured > 0 OR scrolls > 0)
ORDER BY measured DESC, scrolls DESC, views DESC, page
