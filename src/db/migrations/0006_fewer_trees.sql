-- Fewer B-trees for what is written most, so that a commit writes fewer pages. A lock is only ever looked up by its key: the key's tree
-- holds the row itself. Facts come in the order of their ids, which is the order of their times: what is old is found by id. The audit is
-- read backwards from its end; only a shared database has so many workspaces in it that an index of each pays.
create table lock_flat (
    workspace_id {text} not null references workspace(id),
    folded       {text} not null,             -- as compared
    id           {text} not null,             -- lock_…, new with every grant
    key          {text} not null,             -- as sent
    message      {text} not null,
    properties   {text} not null default '{}',
    actor        {text} not null default '',
    token        {int} not null,              -- rises with every grant of this key
    session_repository {int} not null default 0,  -- of the workflow session that took it: closing a
    session_ref  {text} not null default '',  -- pull request leaves no lock behind
    created_ms   {int} not null,
    updated_ms   {int} not null,
    expires_ms   {int} not null,
    deleted_ms   {int},
    primary key (workspace_id, folded)
) {lean};
insert into lock_flat (workspace_id, folded, id, key, message, properties, actor, token, session_repository, session_ref,
    created_ms, updated_ms, expires_ms, deleted_ms)
select workspace_id, folded, id, key, message, properties, actor, token, session_repository, session_ref,
    created_ms, updated_ms, expires_ms, deleted_ms from lock;
drop table lock;
alter table lock_flat rename to lock;

drop index fact_received;
{embedded}drop index audit_of;
