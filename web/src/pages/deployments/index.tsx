/* Deployments: a row a run, newest first, as many as there are. */
import { useMemo } from 'react';
import { useFeed } from '../../api/feed.ts';
import { paths } from '../../app/paths.ts';
import { byDay } from '../../logic/days.ts';
import { readFilters, type FilterField } from '../../logic/list-filters.ts';
import { useAsked } from '../../parts/asked.ts';
import { FeedRows } from '../../parts/feed-rows.tsx';
import { Filter, useFilters } from '../../parts/filters.tsx';
import { Go, useGo } from '../../parts/go.tsx';
import { Empty, Page } from '../../parts/page.tsx';
import { ClearFilters, PickAge, PickMany, PickOne } from '../../parts/picks.tsx';
import { fullName, useRepositories } from '../../parts/repository.tsx';
import { runColumns, type Run } from '../../parts/runs.tsx';
import { msOf, useNow } from '../../parts/time.tsx';
import '../../parts/lists.css';

const states = [
    'running',
    'queued',
    'dispatching',
    'waiting_approval',
    'locked',
    'cancelling',
    'success',
    'failure',
    'timed_out',
    'error',
    'cancelled',
    'superseded',
    'skipped',
];
const fields: FilterField[] = [
    { name: 'command', kind: 'many', values: ['plan', 'apply', 'detect', 'remediate'] },
    { name: 'state', kind: 'many', values: states },
    { name: 'repo', kind: 'text' },
    { name: 'stack', kind: 'text' },
    { name: 'component', kind: 'text' },
    { name: 'actor', kind: 'text' },
    { name: 'change', kind: 'text' },
    { name: 'q', kind: 'text' },
    { name: 'since', kind: 'age' },
];
const names = fields.map((field) => field.name);
const minute_ms = 60_000;

export default function Deployments() {
    const [raw, setFilters] = useFilters(names);
    const filters = readFilters(fields, raw);
    const now_ms = useNow(minute_ms);
    const query = useAsked(fields, filters);
    const feed = useFeed<Run>({ path: '/api/v1/runs', query, on: ['runs'] });
    const repositories = useRepositories();
    const go = useGo();
    const set = (name: string) => (value: string) => setFilters({ [name]: value });
    const isFiltered = Object.keys(filters).length > 0;
    const clear = () => setFilters(Object.fromEntries(names.map((name) => [name, ''])));
    const rows = useMemo(
        () =>
            byDay(
                feed.items,
                (run) => (run.createdAt === null ? null : msOf(run.createdAt)),
                now_ms,
            ),
        [feed.items, now_ms],
    );
    return (
        <Page title="Deployments" sub="Every run that was sent to the forge, newest first.">
            <div className="bar" role="search">
                <Filter
                    label="Stack, component, workflow or title"
                    placeholder="Stack, component, title…"
                    value={filters['q'] ?? ''}
                    onChange={set('q')}
                    width={180}
                />
                <PickMany
                    label="Command"
                    field={fields[0]!}
                    value={filters['command'] ?? ''}
                    wordOf={(one) => one}
                    onChange={set('command')}
                />
                <PickMany
                    label="Status"
                    field={fields[1]!}
                    value={filters['state'] ?? ''}
                    onChange={set('state')}
                />
                <PickOne
                    label="Any repository"
                    values={repositories.items.map((one) => ({
                        value: fullName(one),
                        label: fullName(one),
                    }))}
                    value={filters['repo'] ?? ''}
                    width={150}
                    onChange={set('repo')}
                />
                <Filter
                    label="Stack"
                    placeholder="Stack"
                    value={filters['stack'] ?? ''}
                    onChange={set('stack')}
                    width={130}
                />
                <Filter
                    label="Component"
                    placeholder="Component"
                    value={filters['component'] ?? ''}
                    onChange={set('component')}
                    width={130}
                />
                <PickAge value={filters['since'] ?? ''} onChange={set('since')} />
                <ClearFilters isOn={isFiltered} clear={clear} />
            </div>
            <FeedRows
                feed={feed}
                label="Deployments"
                items={rows}
                columns={columns}
                keyOf={(run) => run.id}
                open={(run) => go(paths.batch(run.batchId, run.position))}
                isDim={(run) => feed.gone.has(run.id)}
                none={<Nothing isFiltered={isFiltered} clear={clear} />}
            />
        </Page>
    );
}

const columns = runColumns([
    'state',
    'command',
    'component',
    'stack',
    'repository',
    'change',
    'took',
    'actor',
    'age',
]);

function Nothing({ isFiltered, clear }: { isFiltered: boolean; clear: () => void }) {
    if (isFiltered)
        return (
            <Empty title="No run is like this" acts={<ClearFilters isOn clear={clear} />}>
                Take a filter away, or look further back in time.
            </Empty>
        );
    return (
        <Empty title="Nothing has been deployed yet">
            A run appears here when a pull request, a merge or a release touches stacks that have a
            workflow. <Go to={paths.start()}>The set-up</Go> shows what is still missing.
        </Empty>
    );
}
