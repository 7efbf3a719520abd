-- An upload that lacks its event: how often the forge was asked about it, and when it is looked at next.
alter table upload add column asked {int} not null default 0;
alter table upload add column ask_ms {int} not null default 0;
