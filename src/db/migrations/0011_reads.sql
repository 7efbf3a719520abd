-- Runs that few people look for among all others. What succeeds, which is most, is in neither tree; nothing is written into them while a
-- run is under way.
create index run_unwell on run (state, id) where state in ('failure', 'cancelled', 'timed_out', 'error', 'skipped', 'superseded');
create index run_drift on run (id) where trigger_event = 'drift_detection' or guess in ('detect', 'remediate') or reported in ('detect', 'remediate');
create index batch_failed on batch (created_ms) where verdict = 'failure';
-- Nodes by state, as JSON, of a batch that has ended: a list of batches need not count them. Empty: they are counted.
alter table batch add column counts {text} not null default '';
