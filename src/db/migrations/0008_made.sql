-- The nodes of a batch as they were made, packed: ten thousand of them are held in one write. A row of node is what became of one since;
-- null: an older batch, every node of which has its row.
alter table batch add column made {blob};
-- Nobody asks for an instance over all batches here: the runs know it.
drop index node_instance;
