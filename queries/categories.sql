-- categories: which categories are listed, searched, and lead to a product
-- group: behaviour
-- columns: category bigint, views bigint, visitors bigint, sessions bigint, searches bigint, led_to_view bigint, view_rate double
-- key: category
-- top: 0
-- chart: bar category views
-- category: its number; the logs do not know its name, nor which category a product is of
-- views: how often its list of products was shown
-- visitors: distinct visitors who saw its list or searched in it
-- sessions: distinct sessions in which they did; what is left of one that began before --since is none
-- searches: searches that were limited to it
-- led_to_view: views of its list after which the visitor, in the same session (also in what is left of one that began before --since), saw a product before any other list or search
-- view_rate: led_to_view / views
WITH steps AS (
  SELECT
    visitor_id,
    session_number,
    epoch_us,
    CASE WHEN visitor_id IS NOT NULL AND epoch_us IS NOT NULL THEN 1 ELSE 0 END AS is_known,
    category,
    CASE WHEN category IS NOT NULL THEN 1 ELSE 0 END AS is_limited,
    CASE WHEN event_type = 'search' THEN 1 ELSE 0 END AS is_search,
    CASE
      WHEN event_type = 'view' AND entity_type = 'product' AND entity_id IS NOT NULL AND response_status < 400 THEN 1
      ELSE 0
    END AS is_product
  FROM events
  WHERE (event_type = 'view' AND response_status < 400 AND (is_page_view OR (entity_type = 'product' AND entity_id IS NOT NULL))) OR (event_type = 'search' AND NOT paired)
),
followed AS (
  SELECT
    visitor_id,
    session_number,
    is_known,
    category,
    is_search,
    is_product,
    LAG(is_product) OVER (
      PARTITION BY visitor_id, session_number, is_known
      ORDER BY epoch_us DESC, is_product DESC, is_search DESC, is_limited DESC, category DESC
    ) AS product_next
  FROM steps
),
visits AS (
  SELECT
    category,
    visitor_id,
    session_number,
    COUNT(*) - SUM(CAST(is_search AS BIGINT)) AS views,
    SUM(CAST(is_search AS BIGINT)) AS searches,
    SUM(CAST(CASE WHEN is_search = 0 AND is_known = 1 AND product_next = 1 THEN 1 ELSE 0 END AS BIGINT)) AS led_to_view
  FROM followed
  WHERE category IS NOT NULL AND is_product = 0
  GROUP BY category, visitor_id, session_number
),
counted AS (
  SELECT
    category,
    SUM(CAST(views AS BIGINT)) AS views,
    COUNT(DISTINCT visitor_id) AS visitors,
    COUNT(session_number) AS sessions,
    SUM(CAST(searches AS BIGINT)) AS searches,
    SUM(CAST(led_to_view AS BIGINT)) AS led_to_view
  FROM visits
  GROUP BY category
)
SELECT
  category,
  views,
  visitors,
  sessions,
  searches,
  led_to_view,
  CASE WHEN views > 0 THEN CAST(led_to_view AS DOUBLE) / CAST(views AS DOUBLE) END AS view_rate
FROM counted
ORDER BY views DESC, visitors DESC, category
