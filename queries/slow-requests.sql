-- slow-requests: the requests that took longest
-- group: performance
-- params: slower_than duration = 10ms
-- columns: timestamp timestamp, process_time double, method text, path text, status bigint, endpoint text, user_id bigint, visitor_id text
-- key: timestamp method path visitor_id
-- top: 20
-- chart: bar path process_time
-- slower_than: Leave out requests that took no longer than this
-- timestamp: when the answer had been given
-- process_time: seconds that it took
-- path: the path that was asked for, as the log has it
-- status: the HTTP status of the answer
-- endpoint: the Flask endpoint that answered; empty if none did
SELECT
  timestamp,
  process_time,
  method,
  path,
  response_status AS status,
  endpoint,
  user_id,
  visitor_id
FROM events
WHERE kind = 'request' AND process_time * 1000000 > /*:slower_than*/ 10000
ORDER BY
  process_time DESC,
  timestamp NULLS LAST,
  path NULLS LAST,
  method NULLS LAST,
  status NULLS LAST,
  endpoint NULLS LAST,
  user_id NULLS LAST,
  visitor_id NULLS LAST
