/* What came in about this repository (deliveries of GitHub, reports, orders), what it did or why nothing, and doing it again. */
import { Button, Drawer, Group } from '@mantine/core';
import { IconRepeat } from '@tabler/icons-react';
import type { Schemas } from '../../api/client.ts';
import { useFeed } from '../../api/feed.ts';
import { queries, useIsAdmin, useRead } from '../../api/queries.ts';
import { paths } from '../../app/paths.ts';
import { Problem } from '../../app/problem.tsx';
import { readFilters, type FilterField } from '../../logic/list-filters.ts';
import { ActButton } from '../../parts/confirm.tsx';
import { FeedRows } from '../../parts/feed-rows.tsx';
import { useFilters } from '../../parts/filters.tsx';
import { Go } from '../../parts/go.tsx';
import { Empty, Waiting } from '../../parts/page.tsx';
import { ClearFilters, PickAge, PickOne } from '../../parts/picks.tsx';
import { fullName, type Repository } from '../../parts/repository.tsx';
import type { Column } from '../../parts/rows.tsx';
import { batchState, lookOf, Status } from '../../parts/status.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago } from '../../parts/time.tsx';
import { useAsked } from '../../parts/asked.ts';

type Fact = Schemas['Fact'];
type FactWhole = Schemas['FactWhole'];

const kinds = [
    { value: 'webhook.', label: 'Webhooks' },
    { value: 'webhook.pull_request', label: 'pull_request' },
    { value: 'webhook.push', label: 'push' },
    { value: 'webhook.workflow_run', label: 'workflow_run' },
    { value: 'webhook.check_run', label: 'check_run' },
    { value: 'webhook.issue_comment', label: 'issue_comment' },
    { value: 'webhook.release', label: 'release' },
    { value: 'order.', label: 'Orders of people' },
];
const states = ['pending', 'applied', 'set_aside', 'dropped'].map((value) => ({
    value,
    label: lookOf(value).word,
}));
const fields: FilterField[] = [
    { name: 'kind', kind: 'text' },
    { name: 'state', kind: 'one', values: states.map((one) => one.value) },
    { name: 'since', kind: 'age' },
];
const names = ['kind', 'state', 'since', 'open'] as const;

export function WebhooksTab({ repository }: { repository: Repository }) {
    const [raw, setFilters] = useFilters(names);
    const filters = readFilters(fields, raw);
    const asked = useAsked(fields, filters);
    const feed = useFeed<Fact>({
        path: '/api/v1/facts',
        query: { repo: fullName(repository), ...asked, kind: filters['kind'] ?? 'webhook.' },
        on: ['facts'],
        repository: repository.id,
    });
    const isFiltered = Object.keys(filters).length > 0;
    const clear = () => setFilters({ kind: '', state: '', since: '' });
    return (
        <>
            <div className="bar" role="search">
                <PickOne
                    label="Webhooks"
                    values={kinds}
                    value={filters['kind'] ?? ''}
                    onChange={(kind) => setFilters({ kind })}
                />
                <PickOne
                    label="Whatever came of it"
                    values={states}
                    value={filters['state'] ?? ''}
                    onChange={(state) => setFilters({ state })}
                />
                <PickAge
                    value={filters['since'] ?? ''}
                    onChange={(since) => setFilters({ since })}
                />
                <ClearFilters isOn={isFiltered} clear={clear} />
            </div>
            <FeedRows
                feed={feed}
                label="What came in"
                columns={columns}
                keyOf={(fact) => String(fact.id)}
                open={(fact) => setFilters({ open: String(fact.id) })}
                chosenKey={raw.open}
                isDim={(fact) => feed.gone.has(fact.id)}
                none={
                    <Empty
                        title={
                            isFiltered
                                ? 'Nothing is like this'
                                : 'GitHub has sent nothing about this repository'
                        }
                    >
                        {!isFiltered &&
                            'Deliveries arrive when the App is installed here and its webhook address reaches this server.'}
                    </Empty>
                }
            />
            <Drawer
                opened={/^\d{1,15}$/.test(raw.open)}
                onClose={() => setFilters({ open: '' })}
                position="right"
                size="xl"
                title={`Received: ${raw.open}`}
            >
                <FactPanel id={raw.open} />
            </Drawer>
        </>
    );
}

const columns: Column<Fact>[] = [
    { key: 'state', title: 'State', width: '120px', show: (fact) => <Status state={fact.state} /> },
    {
        key: 'kind',
        title: 'What',
        width: 'minmax(150px, 1fr)',
        show: (fact) => <Name max={60}>{fact.kind.replace(/^webhook\./, '')}</Name>,
    },
    {
        key: 'note',
        title: 'What it did',
        width: 'minmax(220px, 3fr)',
        show: (fact) =>
            fact.note === null || fact.note === '' ? (
                <span className="quiet">–</span>
            ) : (
                <Name max={200}>{fact.note}</Name>
            ),
    },
    {
        key: 'actor',
        title: 'Who',
        width: 'minmax(90px, 0.7fr)',
        show: (fact) => <Name max={40}>{fact.actor}</Name>,
    },
    {
        key: 'age',
        title: 'Received',
        width: '96px',
        align: 'right',
        show: (fact) => <Ago at={fact.receivedAt} />,
    },
];

function FactPanel({ id }: { id: string }) {
    const isAdmin = useIsAdmin();
    const path = `/api/v1/facts/${id}`;
    const read = useRead<FactWhole>({ path, on: ['facts'] });
    if (read.error) return <Problem error={read.error} again={() => void read.refetch()} />;
    if (!read.data) return <Waiting />;
    const fact = read.data;
    const again = () => {
        void queries.invalidateQueries({ queryKey: [path] });
        void queries.invalidateQueries({ queryKey: ['/api/v1/facts'] });
    };
    return (
        <div className="stacked">
            <dl className="facts">
                <dt>What came</dt>
                <dd>
                    <Name>{fact.kind}</Name>
                </dd>
                <dt>State</dt>
                <dd>
                    <Status state={fact.state} />
                </dd>
                <dt>What it did</dt>
                <dd>
                    {fact.note ? (
                        <Name max={1000}>{fact.note}</Name>
                    ) : (
                        <span className="quiet">nothing to say</span>
                    )}
                </dd>
                <dt>Received</dt>
                <dd>
                    <Ago at={fact.receivedAt} />
                    {fact.actor !== '' && (
                        <>
                            {' '}
                            by <Name>{fact.actor}</Name>
                        </>
                    )}
                </dd>
                <dt>Applied</dt>
                <dd>
                    <Ago at={fact.appliedAt} none="not yet" />
                    {fact.tries > 1 && `, at try ${fact.tries}`}
                </dd>
                {fact.traceId !== '' && (
                    <>
                        <dt>Trace</dt>
                        <dd className="mono">{fact.traceId}</dd>
                    </>
                )}
                {fact.key !== null && (
                    <>
                        <dt>Delivery</dt>
                        <dd>
                            <Name isMono>{fact.key}</Name>
                        </dd>
                    </>
                )}
                {fact.caused.batches.length > 0 && (
                    <>
                        <dt>Led to</dt>
                        <dd>
                            {fact.caused.batches.map((batch) => (
                                <Go
                                    key={batch.id}
                                    to={paths.batch(batch.id)}
                                    className="go with-icon"
                                >
                                    batch <Status state={batchState(batch)} />
                                </Go>
                            ))}
                        </dd>
                    </>
                )}
            </dl>
            {isAdmin && mayReplay(fact) && (
                <Group>
                    <ActButton
                        leftSection={<IconRepeat size={14} aria-hidden />}
                        order={() => ({ method: 'POST', path: `${path}/replay` })}
                        ask={{
                            title: 'Apply this again?',
                            word: 'Apply again',
                            text: 'The server takes it as if it had come in just now. What was dispatched for it already is not dispatched a second time.',
                        }}
                        done={() => 'It was taken again; its state shows what came of it.'}
                        after={again}
                    >
                        Replay
                    </ActButton>
                </Group>
            )}
            {Object.keys(fact.headers).length > 0 && (
                <section>
                    <h3>Headers</h3>
                    <dl className="facts">
                        {Object.entries(fact.headers).map(([name, value]) => (
                            <div key={name} className="facts-pair">
                                <dt>
                                    <Name>{name}</Name>
                                </dt>
                                <dd>
                                    <Name isMono max={300}>
                                        {value}
                                    </Name>
                                </dd>
                            </div>
                        ))}
                    </dl>
                </section>
            )}
            <section>
                <h3>Payload</h3>
                <Payload fact={fact} />
            </section>
        </div>
    );
}

/** What came from outside. The server's own steps are not repeated by hand. */
function mayReplay(fact: Fact): boolean {
    return fact.kind.startsWith('webhook.') || fact.kind.startsWith('upload');
}

const shown_max = 200_000;

function Payload({ fact }: { fact: FactWhole }) {
    if (fact.payload === null || fact.payload === undefined)
        return (
            <p className="quiet">
                {fact.bytes > 0
                    ? `${fact.bytes.toLocaleString('en')} bytes came; they are not shown here.`
                    : 'It is not kept any more.'}
            </p>
        );
    const text = JSON.stringify(fact.payload, null, 2);
    return (
        <>
            <pre className="payload" tabIndex={0} aria-label="Payload" dir="ltr">
                {text.slice(0, shown_max)}
            </pre>
            <p className="quiet">
                {fact.bytes.toLocaleString('en')} bytes; secrets in it are masked.
                {text.length > shown_max && ' Only the beginning is shown.'}
            </p>
            <Button variant="default" onClick={() => void navigator.clipboard?.writeText(text)}>
                Copy
            </Button>
        </>
    );
}
