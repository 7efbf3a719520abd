/* Audit: who did what to what, and taking it along as a file. */
import { Button, Drawer, Menu } from '@mantine/core';
import { IconDownload } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import { withQuery, type Schemas } from '../../api/client.ts';
import { useFeed } from '../../api/feed.ts';
import { useIsAdmin } from '../../api/queries.ts';
import { paths } from '../../app/paths.ts';
import { byDay } from '../../logic/days.ts';
import { readFilters, type FilterField } from '../../logic/list-filters.ts';
import { useAsked } from '../../parts/asked.ts';
import { FeedRows } from '../../parts/feed-rows.tsx';
import { Filter, useFilters } from '../../parts/filters.tsx';
import { Go } from '../../parts/go.tsx';
import { Empty, Page } from '../../parts/page.tsx';
import { ClearFilters, PickAge, PickOne } from '../../parts/picks.tsx';
import { fullName, useRepositories, type KnownRepositories } from '../../parts/repository.tsx';
import type { Column } from '../../parts/rows.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago, msOf, useNow } from '../../parts/time.tsx';
import '../../parts/lists.css';

type Entry = Schemas['AuditEntry'];

const fields: FilterField[] = [
    { name: 'actor', kind: 'text' },
    { name: 'action', kind: 'text' },
    { name: 'category', kind: 'text' },
    { name: 'target', kind: 'text' },
    { name: 'since', kind: 'age' },
    { name: 'until', kind: 'age' },
];
const names = fields.map((field) => field.name);
const minute_ms = 60_000;

export default function Audit() {
    const isAdmin = useIsAdmin();
    if (!isAdmin)
        return (
            <Page title="Audit log">
                <Empty title="Owners and admins of the workspace may read this" />
            </Page>
        );
    return <Log />;
}

function Log() {
    const [raw, setFilters] = useFilters(names);
    const filters = readFilters(fields, raw);
    const query = useAsked(fields, filters);
    const now_ms = useNow(minute_ms);
    const repositories = useRepositories();
    const [shown, setShown] = useState<Entry | null>(null);
    const feed = useFeed<Entry>({ path: '/api/v1/audit', query, on: ['audit'] });
    const rows = useMemo(
        () => byDay(feed.items, (entry) => (entry.at === null ? null : msOf(entry.at)), now_ms),
        [feed.items, now_ms],
    );
    const columns = useMemo(() => columnsOf(repositories), [repositories]);
    const actions = useMemo(
        () =>
            [...new Set(feed.items.map((entry) => entry.action))]
                .sort()
                .map((value) => ({ value, label: value })),
        [feed.items],
    );
    const set = (name: string) => (value: string) => setFilters({ [name]: value });
    const isFiltered = Object.keys(filters).length > 0;
    const clear = () => setFilters(Object.fromEntries(names.map((name) => [name, ''])));
    return (
        <Page
            title="Audit log"
            sub="Everything that somebody changed or ordered, and everything that was refused to them."
            acts={<Export query={query} isFiltered={isFiltered} />}
        >
            <div className="bar" role="search">
                <Filter
                    label="Who"
                    value={filters['actor'] ?? ''}
                    onChange={set('actor')}
                    width={160}
                />
                <PickOne
                    label="Any action"
                    values={actions}
                    value={filters['action'] ?? ''}
                    width={230}
                    onChange={set('action')}
                />
                <Filter
                    label="Id of what was changed"
                    placeholder="Id of its target"
                    value={filters['target'] ?? ''}
                    onChange={set('target')}
                    width={180}
                />
                <PickAge value={filters['since'] ?? ''} onChange={set('since')} />
                <ClearFilters isOn={isFiltered} clear={clear} />
            </div>
            <FeedRows
                feed={feed}
                label="Audit log"
                items={rows}
                columns={columns}
                keyOf={(entry) => entry.id}
                open={setShown}
                {...(shown ? { chosenKey: shown.id } : {})}
                none={
                    <Empty
                        title={isFiltered ? 'Nothing is like this' : 'Nothing was changed yet'}
                        acts={isFiltered && <ClearFilters isOn clear={clear} />}
                    />
                }
            />
            <Drawer
                opened={shown !== null}
                onClose={() => setShown(null)}
                position="right"
                size="lg"
                title={shown?.action}
            >
                {shown && <EntryPanel entry={shown} repositories={repositories} />}
            </Drawer>
        </Page>
    );
}

function Export({ query, isFiltered }: { query: Record<string, string>; isFiltered: boolean }) {
    const hrefOf = (format: string) => withQuery('/api/v1/audit/export', { format, ...query });
    return (
        <Menu position="bottom-end">
            <Menu.Target>
                <Button variant="default" leftSection={<IconDownload size={14} aria-hidden />}>
                    {isFiltered ? 'Export what is filtered' : 'Export'}
                </Button>
            </Menu.Target>
            <Menu.Dropdown>
                <Menu.Item component="a" href={hrefOf('csv')} download="audit.csv">
                    CSV, for a spreadsheet
                </Menu.Item>
                <Menu.Item component="a" href={hrefOf('ndjson')} download="audit.ndjson">
                    NDJSON, a line an entry
                </Menu.Item>
            </Menu.Dropdown>
        </Menu>
    );
}

/** A change of settings knows from what to what; the rest of the metadata is shown as it is. */
function EntryPanel({ entry, repositories }: { entry: Entry; repositories: KnownRepositories }) {
    const repository =
        entry.repositoryId === null ? undefined : repositories.byId.get(entry.repositoryId);
    return (
        <div className="stacked">
            <dl className="facts">
                <dt>When</dt>
                <dd>
                    <Ago at={entry.at} /> <span className="quiet mono">{entry.at}</span>
                </dd>
                <dt>Who</dt>
                <dd>
                    <Name>{entry.actor.id}</Name> <span className="quiet">{entry.actor.type}</span>
                </dd>
                <dt>To what</dt>
                <dd>
                    <Name max={400}>{entry.target.id}</Name>{' '}
                    <span className="quiet">{entry.target.type}</span>
                </dd>
                {repository && (
                    <>
                        <dt>Repository</dt>
                        <dd>
                            <Go to={paths.repository(repository.id)}>
                                <Name>{fullName(repository)}</Name>
                            </Go>
                        </dd>
                    </>
                )}
                {entry.description !== '' && (
                    <>
                        <dt>What</dt>
                        <dd>
                            <Name max={2000}>{entry.description}</Name>
                        </dd>
                    </>
                )}
                <dt>Category</dt>
                <dd>{entry.category}</dd>
            </dl>
            {Object.keys(entry.metadata ?? {}).length > 0 && (
                <pre className="payload" tabIndex={0} aria-label="Details" dir="ltr">
                    {JSON.stringify(entry.metadata, null, 2)}
                </pre>
            )}
        </div>
    );
}

function columnsOf(repositories: KnownRepositories): Column<Entry>[] {
    return [
        {
            key: 'who',
            title: 'Who',
            width: 'minmax(120px, 1fr)',
            show: (entry) => (
                <>
                    <strong>
                        <Name max={40}>{entry.actor.id}</Name>
                    </strong>{' '}
                    <span className="quiet">{entry.actor.type}</span>
                </>
            ),
        },
        {
            key: 'action',
            title: 'Action',
            width: 'minmax(170px, 1.2fr)',
            show: (entry) => <Name max={60}>{entry.action}</Name>,
        },
        {
            key: 'target',
            title: 'To what',
            width: 'minmax(150px, 1.4fr)',
            show: (entry) => (
                <>
                    <span className="quiet">{entry.target.type}</span>{' '}
                    <Name max={60}>{entry.target.id}</Name>
                </>
            ),
        },
        {
            key: 'repository',
            title: 'Repository',
            width: 'minmax(110px, 1fr)',
            show: (entry) => {
                const repository =
                    entry.repositoryId === null
                        ? undefined
                        : repositories.byId.get(entry.repositoryId);
                return (
                    <span className="quiet">
                        {repository ? <Name max={50}>{fullName(repository)}</Name> : '–'}
                    </span>
                );
            },
        },
        {
            key: 'what',
            title: 'What',
            width: 'minmax(140px, 1.6fr)',
            show: (entry) => <Name max={160}>{entry.description}</Name>,
        },
        {
            key: 'age',
            title: 'When',
            width: '86px',
            align: 'right',
            show: (entry) => <Ago at={entry.at} />,
        },
    ];
}
