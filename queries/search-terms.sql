-- search-terms: what people search for, and whether they find it
-- group: behaviour
-- columns: term text, searches bigint, visitors bigint, zero_results bigint, led_to_view bigint, view_rate double
-- key: term
-- top: 10
-- headlines: Searches that found nothing = zero_results / searches
-- chart: bar term searches
-- term: the exact text, blanks and all; searches for nothing are left out
-- searches: how often it was searched for; a search that wrote two lines counts once
-- visitors: distinct visitors who searched for it
-- zero_results: searches that found nothing, by the search's own line (a request line says 0 whatever was found)
-- led_to_view: searches after which the visitor, in the same session (also in what is left of one that began before --since), saw a product before searching again
-- view_rate: led_to_view / searches
WITH steps AS (
  SELECT
    visitor_id,
    session_number,
    epoch_us,
    CASE WHEN visitor_id IS NOT NULL AND epoch_us IS NOT NULL THEN 1 ELSE 0 END AS is_known,
    CASE WHEN event_type = 'search' THEN COALESCE(search_query, '') END AS term,
    CASE WHEN event_type = 'view' THEN 1 ELSE 0 END AS is_view,
    CASE WHEN kind = 'action' AND results_count = 0 THEN 1 ELSE 0 END AS found_nothing
  FROM events
  WHERE (event_type = 'search' AND NOT paired)
    OR (event_type = 'view' AND entity_type = 'product' AND entity_id IS NOT NULL AND response_status < 400)
),
followed AS (
  SELECT
    visitor_id,
    is_known,
    term,
    found_nothing,
    LAG(is_view) OVER (
      PARTITION BY visitor_id, session_number, is_known ORDER BY epoch_us DESC, is_view DESC, term DESC, found_nothing DESC
    ) AS view_next
  FROM steps
),
counted AS (
  SELECT
    term,
    COUNT(*) AS searches,
    COUNT(DISTINCT visitor_id) AS visitors,
    SUM(CAST(found_nothing AS BIGINT)) AS zero_results,
    SUM(CAST(CASE WHEN is_known = 1 AND view_next = 1 THEN 1 ELSE 0 END AS BIGINT)) AS led_to_view
  FROM followed
  WHERE term <> ''
  GROUP BY term
)
SELECT
  term,
  searches,
  visitors,
  zero_results,
  led_to_view,
  CAST(led_to_view AS DOUBLE) / CAST(searches AS DOUBLE) AS view_rate
FROM counted
ORDER BY searches DESC, visitors DESC, term
