-- Where a question for facts was heard, as W3C traceparent: the answer may be collected by another process, and belongs to the same story.
alter table facts_request add column traceparent text collate "C";
