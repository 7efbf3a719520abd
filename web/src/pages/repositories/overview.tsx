/* The newest batches of a repository, and how much of it has drifted. */
import type { Schemas } from '../../api/client.ts';
import { useFeed } from '../../api/feed.ts';
import { FeedRows } from '../../parts/feed-rows.tsx';
import { useGo } from '../../parts/go.tsx';
import { paths } from '../../app/paths.ts';
import { batchColumns } from '../../parts/batches.tsx';
import { Empty } from '../../parts/page.tsx';
import { fullName, type Repository } from '../../parts/repository.tsx';

type Batch = Schemas['Batch'];

export function Overview({ repository }: { repository: Repository }) {
    const go = useGo();
    const feed = useFeed<Batch>({
        path: '/api/v1/batches',
        query: { repo: fullName(repository) },
        on: ['batches'],
        repository: repository.id,
    });
    return (
        <FeedRows
            feed={feed}
            label="Batches"
            columns={batchColumns}
            keyOf={(batch) => batch.id}
            open={(batch) => go(paths.batch(batch.id))}
            isDim={(batch) => feed.gone.has(batch.id)}
            none={
                <Empty title="No batch yet">
                    A pull request, a merge or a release becomes a batch when its list of affected
                    stacks has been uploaded.
                </Empty>
            }
        />
    );
}
