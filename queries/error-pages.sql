-- error-pages: which pages fail, for how many, and where they came from
-- group: errors
-- columns: page text, status bigint, requests bigint, visitors bigint, top_referrer text
-- key: page status
-- top: 20
-- chart: bar page requests by status
-- page: the path with numbers as {id}, without the query
-- status: the HTTP status, 400 and above
-- requests: requests for the page answered with this status
-- visitors: distinct visitors who got it
-- top_referrer: the page that most of these requests came from; empty if none says
WITH failed AS (
  SELECT COALESCE(page, '(none)') AS name, response_status AS status, visitor_id, referrer
  FROM events
  WHERE kind = 'request' AND response_status >= 400
),
counted AS (
  SELECT name, status, COUNT(*) AS requests, COUNT(DISTINCT visitor_id) AS visitors
  FROM failed
  GROUP BY name, status
),
linked AS (
  SELECT name, status, referrer, 0 - CAST(COUNT(*) AS BIGINT) AS fewer
  FROM failed
  WHERE referrer <> ''
  GROUP BY name, status, referrer
),
ranked AS (
  SELECT
    name AS linked_name,
    status AS linked_status,
    referrer,
    RANK() OVER (PARTITION BY name, status ORDER BY fewer, referrer) AS place
  FROM linked
),
best AS (
  SELECT linked_name, linked_status, referrer FROM ranked WHERE place = 1
)
SELECT name AS page, status, requests, visitors, referrer AS top_referrer
FROM counted LEFT JOIN best ON name = linked_name AND status = linked_status
ORDER BY requests DESC, visitors DESC, page, status
