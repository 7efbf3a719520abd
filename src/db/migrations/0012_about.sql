-- Who stopped a batch, and who skipped what a node waited for: few rows of the audit log, found without reading all of it. What is about
-- anything else is not in this tree. A query has to say the condition in these words.
create index audit_about on audit (target) where target_type in ('batch', 'node');
