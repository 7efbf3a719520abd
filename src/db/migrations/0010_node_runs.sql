-- Nodes on a registered runner. Where a batch runs is fixed when it is made: '' is GitHub Actions.
alter table batch add column executor {text} not null default '';
alter table batch add column runner {text} not null default '';        -- its name then
alter table run add column runner {text} not null default '';         -- its name; '': a workflow run at GitHub
alter table run add column runner_run {text};                         -- the run's UUID there
alter table run add column metadata {text} not null default '';       -- what the runner said of its end
create unique index run_on_runner on run (runner_run) where runner_run is not null;
-- Runs of actions are kept for a while only.
create index action_run_ended on action_run (ended_ms) where ended_ms is not null;
