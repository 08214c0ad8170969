-- audience: how many people came, and how many for the first time
-- group: behaviour
-- params: every duration = 1d
-- every: how much time a row is about, such as 1h, 1d or 1w; weeks begin on Monday
-- columns: start timestamp, visitors bigint, new_visitors bigint, users bigint, sessions bigint, page_views bigint
-- key: start
-- top: 0
-- headlines: New visitors = new_visitors
-- chart: line start visitors
-- start: when the row's time begins; a time of which there is no line has no row
-- visitors: distinct visitors who made a request, or came for the first time
-- new_visitors: visitors whose first event in all of the logs, --since or not, was then; each is new once
-- users: distinct logged-in users
-- sessions: sessions that began then
-- page_views: pages that were shown
WITH timed AS (
  SELECT
    epoch_us - ((epoch_us - 345600000000) % /*:every*/ 86400000000 + /*:every*/ 86400000000) % /*:every*/ 86400000000 AS start_us,
    visitor_id,
    session_number,
    user_id,
    is_page_view,
    CASE WHEN kind = 'request' OR timestamp = visitor_first_seen THEN visitor_id END AS came,
    CASE WHEN timestamp = visitor_first_seen THEN visitor_id END AS newcomer
  FROM events
  WHERE epoch_us IS NOT NULL
),
counted AS (
  SELECT
    start_us,
    COUNT(DISTINCT came) AS visitors,
    COUNT(DISTINCT newcomer) AS new_visitors,
    COUNT(DISTINCT user_id) AS users,
    SUM(CAST(is_page_view AS BIGINT)) AS page_views
  FROM timed
  GROUP BY start_us
),
begun AS (
  SELECT visitor_id, session_number, MIN(start_us) AS begin_us
  FROM timed
  WHERE session_number IS NOT NULL
  GROUP BY visitor_id, session_number
),
beginnings AS (
  SELECT begin_us, COUNT(*) AS sessions FROM begun GROUP BY begin_us
)
SELECT
  make_timestamp(start_us) AS start,
  visitors,
  new_visitors,
  users,
  COALESCE(sessions, 0) AS sessions,
  page_views
FROM counted LEFT JOIN beginnings ON counted.start_us = beginnings.begin_us
ORDER BY start
