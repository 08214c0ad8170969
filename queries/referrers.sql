-- referrers: where visits came from, and which of them bought
-- group: behaviour
-- params: own_host text =
-- own_host: the shop's own host, whose links are no source; without it, the host that most requests name as their referrer
-- columns: source text, sessions bigint, visitors bigint, page_views bigint, pages_per_session double, purchase_sessions bigint, conversion double
-- key: source
-- top: 10
-- chart: bar source sessions
-- source: the host that a session's first request names as its referrer; (direct) where it names none, (internal) where it is the shop itself, as after a pause
-- sessions: sessions that came from there
-- visitors: distinct visitors of these sessions
-- page_views: pages that were shown in these sessions
-- pages_per_session: page_views / sessions
-- purchase_sessions: sessions in which something was bought: a confirmation page of an order (status 200), or an event purchase
-- conversion: purchase_sessions / sessions
WITH hosts AS (
  SELECT referrer_host, COUNT(*) AS requests
  FROM events
  WHERE kind = 'request' AND referrer_host IS NOT NULL
  GROUP BY referrer_host
  ORDER BY requests DESC, referrer_host
  LIMIT 1
),
own AS (
  SELECT CASE WHEN /*:own_host*/ '' <> '' THEN LOWER(/*:own_host*/ '') ELSE MAX(referrer_host) END AS own_host
  FROM hosts
),
known AS (
  SELECT
    visitor_id,
    session_number,
    referrer_host,
    CASE WHEN referrer LIKE '/%' AND referrer NOT LIKE '//%' THEN 1 ELSE 0 END AS is_path,
    CASE WHEN kind = 'request' THEN epoch_us END AS request_us,
    is_page_view,
    CASE
      WHEN event_type = 'purchase' OR (page = '/orders/{id}/confirmation' AND response_status = 200) THEN 1
      ELSE 0
    END AS is_purchase
  FROM events
  WHERE session_number IS NOT NULL
),
named AS (
  SELECT
    visitor_id,
    session_number,
    referrer_host,
    is_path,
    MIN(request_us) AS first_us,
    SUM(CAST(is_page_view AS BIGINT)) AS pages,
    MAX(is_purchase) AS bought
  FROM known
  GROUP BY visitor_id, session_number, referrer_host, is_path
),
sourced AS (
  SELECT
    visitor_id,
    session_number,
    CASE
      WHEN is_path = 1 OR referrer_host = own_host THEN '(internal)'
      WHEN referrer_host IS NULL THEN '(direct)'
      ELSE referrer_host
    END AS source,
    CASE WHEN first_us IS NULL THEN 1 ELSE 0 END AS is_no_request,
    COALESCE(first_us, 0) AS first_us,
    pages,
    bought
  FROM named CROSS JOIN own
),
placed AS (
  SELECT
    visitor_id,
    session_number,
    source,
    LAG(source) OVER (PARTITION BY visitor_id, session_number ORDER BY is_no_request, first_us, source) AS source_before,
    pages,
    bought
  FROM sourced
),
visits AS (
  SELECT
    visitor_id,
    session_number,
    MIN(CASE WHEN source_before IS NULL THEN source END) AS source,
    SUM(CAST(pages AS BIGINT)) AS pages,
    MAX(bought) AS bought
  FROM placed
  GROUP BY visitor_id, session_number
),
counted AS (
  SELECT
    source,
    COUNT(*) AS sessions,
    COUNT(DISTINCT visitor_id) AS visitors,
    SUM(CAST(pages AS BIGINT)) AS page_views,
    SUM(CAST(bought AS BIGINT)) AS purchase_sessions
  FROM visits
  GROUP BY source
)
SELECT
  source,
  sessions,
  visitors,
  page_views,
  CAST(page_views AS DOUBLE) / CAST(sessions AS DOUBLE) AS pages_per_session,
  purchase_sessions,
  CAST(purchase_sessions AS DOUBLE) / CAST(sessions AS DOUBLE) AS conversion
FROM counted
ORDER BY sessions DESC, visitors DESC, source
