-- traffic: how many requests each page answered over time, and how fast
-- group: performance
-- params: every duration = 30s
-- columns: start timestamp, page text, requests bigint, errors bigint, median_seconds double
-- key: start page
-- top: 0
-- chart: line start requests by page
-- headlines: Requests = requests, Answered 4xx or 5xx = errors / requests
-- every: The length of an interval; weeks begin on Monday
-- start: when the interval begins; only intervals with requests are shown
-- page: the path with numbers as {id}, without the query
-- requests: request lines, those of scripts too
-- errors: requests answered with status 400 and above
-- median_seconds: that an answer took
WITH asked AS (
  SELECT
    epoch_us - ((epoch_us - 345600000000) % /*:every*/ 30000000 + /*:every*/ 30000000) % /*:every*/ 30000000 AS start_us,
    COALESCE(page, '(none)') AS name,
    response_status,
    process_time
  FROM events
  WHERE kind = 'request'
)
SELECT
  make_timestamp(start_us) AS start,
  name AS page,
  COUNT(*) AS requests,
  COUNT(CASE WHEN response_status >= 400 THEN 1 END) AS errors,
  MEDIAN(process_time) AS median_seconds
FROM asked
GROUP BY start_us, name
ORDER BY start NULLS LAST, requests DESC, page
