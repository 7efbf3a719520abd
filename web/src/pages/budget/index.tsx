/* Budget: what GitHub lets each installation spend, who spends it, and what waits for it. */
import { Table } from '@mantine/core';
import type { ReactNode } from 'react';
import type { Schemas } from '../../api/client.ts';
import { usePages, useRead } from '../../api/queries.ts';
import { paths } from '../../app/paths.ts';
import { Problem } from '../../app/problem.tsx';
import { quotaParts } from '../../logic/quota.ts';
import { Countdown } from '../../parts/countdown.tsx';
import { Go } from '../../parts/go.tsx';
import { Listed } from '../../parts/listed.tsx';
import { Empty, Page } from '../../parts/page.tsx';
import { Status } from '../../parts/status.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago, msOf } from '../../parts/time.tsx';
import '../../parts/lists.css';

type Installation = Schemas['Installation'];
type Budget = Schemas['Budget'];

const hour_ms = 3_600_000;

export default function BudgetPage() {
    const installations = usePages<Installation>(
        { path: '/api/v1/installations', on: ['budget'] },
        100,
    );
    return (
        <Page
            title="Budget"
            sub="GitHub counts the calls of each installation by the hour. Batches claim theirs before they start; some calls are kept back for checks and comments."
        >
            <Listed
                list={installations}
                none={
                    <Empty title="No installation of the App yet">
                        The quota appears with the first repository that has the App.{' '}
                        <Go to={paths.start()}>The set-up leads there</Go>.
                    </Empty>
                }
            >
                {installations.items.map((one) => (
                    <Card key={String(one.id)} installation={one} />
                ))}
            </Listed>
        </Page>
    );
}

function Card({ installation }: { installation: Installation }) {
    const path = `/api/v1/installations/${installation.id}/budget`;
    const read = useRead<Budget>({ path, on: ['budget', 'batches'] });
    const budget = { ...installation, ...read.data };
    const id = `inst-${installation.id}`;
    return (
        <section className="frame budget" aria-labelledby={id}>
            <div className="budget-head">
                <h2 id={id}>
                    <Name>{budget.account || String(installation.id)}</Name>{' '}
                    <span className="quiet">
                        {budget.repositories === 1
                            ? '1 repository'
                            : `${budget.repositories ?? 0} repositories`}
                    </span>
                </h2>
                <Standing budget={budget} />
            </div>
            <Quota budget={budget} />
            {read.error && <Problem error={read.error} again={() => void read.refetch()} />}
            {read.data && <Details budget={read.data} />}
        </section>
    );
}

function Standing({ budget }: { budget: Installation }) {
    if (budget.suspended) return <Status state="error" word="suspended: nothing is sent" />;
    if (budget.blockedUntil)
        return (
            <span className="bar">
                <Status state="held" word="GitHub ordered to wait" />
                <Countdown
                    from_ms={msOf(budget.blockedUntil) - hour_ms}
                    until_ms={msOf(budget.blockedUntil)}
                    over="over"
                />
            </span>
        );
    if ((budget.waiting ?? 0) > 0)
        return (
            <Status
                state="held"
                word={`${budget.waiting} ${budget.waiting === 1 ? 'batch waits' : 'batches wait'}`}
            />
        );
    return <Status state="success" word="nothing waits" />;
}

const looks = {
    spent: { word: 'spent', className: 'quota-spent' },
    claimed: { word: 'claimed by batches', className: 'quota-claimed' },
    reserved: { word: 'kept back', className: 'quota-reserved' },
    free: { word: 'free', className: 'quota-free' },
} as const;

function Quota({ budget }: { budget: Installation }) {
    if (budget.unlimited)
        return <p className="quiet">This forge keeps no count: nothing waits for a quota.</p>;
    const parts = quotaParts({
        limit: budget.limit ?? null,
        remaining: budget.remaining ?? null,
        reserved: budget.reserved ?? null,
        claimed: budget.claimed ?? 0,
    });
    if (!budget.known || parts === null)
        return (
            <p className="quiet">
                GitHub has said nothing sane and current about the quota; until it does, little is
                assumed.
            </p>
        );
    const limit = budget.limit ?? 1;
    return (
        <>
            <div className="quota" aria-hidden>
                {parts.map((part) => (
                    <span
                        key={part.name}
                        className={looks[part.name].className}
                        style={{ width: `${(100 * part.calls) / limit}%` }}
                    />
                ))}
            </div>
            <dl className="quota-words">
                {parts.map((part) => (
                    <div key={part.name}>
                        <dt>
                            <span
                                className={`quota-key ${looks[part.name].className}`}
                                aria-hidden
                            />
                            {looks[part.name].word}
                        </dt>
                        <dd>{part.calls.toLocaleString('en')}</dd>
                    </div>
                ))}
                <div>
                    <dt>of</dt>
                    <dd>{limit.toLocaleString('en')} calls</dd>
                </div>
                {budget.resetAt && (
                    <div>
                        <dt>new quota in</dt>
                        <dd>
                            <Countdown
                                from_ms={msOf(budget.resetAt) - hour_ms}
                                until_ms={msOf(budget.resetAt)}
                                over="any moment"
                                isCalm
                            />
                        </dd>
                    </div>
                )}
                {budget.observedAt && (
                    <div>
                        <dt>as GitHub said</dt>
                        <dd>
                            <Ago at={budget.observedAt} />
                        </dd>
                    </div>
                )}
            </dl>
        </>
    );
}

function Details({ budget }: { budget: Budget }) {
    const held = budget.held ?? [];
    const claims = budget.claims ?? [];
    const spent = [...(budget.spent ?? [])].sort((a, b) => (b.calls ?? 0) - (a.calls ?? 0));
    const most = Math.max(1, ...spent.map((one) => one.calls ?? 0));
    return (
        <div className="beside">
            <Part title="Waits for budget" none="Nothing waits." isEmpty={held.length === 0}>
                <Lines head={['Batch', 'Calls', 'Since']}>
                    {held.map((one) => (
                        <Table.Tr key={one.batch}>
                            <BatchCell {...one} />
                            <Table.Td ta="right">{(one.wanted ?? 0).toLocaleString('en')}</Table.Td>
                            <Table.Td ta="right">
                                <Ago at={one.since} />
                            </Table.Td>
                        </Table.Tr>
                    ))}
                </Lines>
            </Part>
            <Part title="Claimed" none="No batch has a claim." isEmpty={claims.length === 0}>
                <Lines head={['Batch', 'Left of', 'Since']}>
                    {claims.map((one) => (
                        <Table.Tr key={one.batch}>
                            <BatchCell {...one} />
                            <Table.Td ta="right">
                                {(one.left ?? 0).toLocaleString('en')} of{' '}
                                {(one.granted ?? 0).toLocaleString('en')}
                            </Table.Td>
                            <Table.Td ta="right">
                                <Ago at={one.grantedAt} />
                            </Table.Td>
                        </Table.Tr>
                    ))}
                </Lines>
            </Part>
            <Part title="Spent this hour" none="Nothing was spent." isEmpty={spent.length === 0}>
                <dl className="spent">
                    {spent.map((one) => (
                        <div key={one.purpose}>
                            <dt>{one.purpose}</dt>
                            <dd className="spent-bar" aria-hidden>
                                <span style={{ width: `${(100 * (one.calls ?? 0)) / most}%` }} />
                            </dd>
                            <dd>
                                {(one.calls ?? 0).toLocaleString('en')}
                                {(one.refused ?? 0) > 0 && (
                                    <span className="counts-bad"> ({one.refused} refused)</span>
                                )}
                            </dd>
                        </div>
                    ))}
                </dl>
            </Part>
        </div>
    );
}

function Part(props: { title: string; none: string; isEmpty: boolean; children: ReactNode }) {
    return (
        <section>
            <h3>{props.title}</h3>
            {props.isEmpty ? <p className="quiet budget-none">{props.none}</p> : props.children}
        </section>
    );
}

function Lines({ head, children }: { head: string[]; children: ReactNode }) {
    return (
        <Table verticalSpacing={3} horizontalSpacing={4}>
            <Table.Thead>
                <Table.Tr>
                    {head.map((title, i) => (
                        <Table.Th key={title} ta={i === 0 ? 'left' : 'right'} fw={400} c="dimmed">
                            {title}
                        </Table.Th>
                    ))}
                </Table.Tr>
            </Table.Thead>
            <Table.Tbody>{children}</Table.Tbody>
        </Table>
    );
}

function BatchCell(one: {
    batch?: string;
    repository?: string;
    event?: string;
    activity?: string;
}) {
    const words = `${one.event ?? ''} ${one.activity ?? ''}`.replaceAll('_', ' ').trim();
    return (
        <Table.Td>
            <Go to={paths.batch(one.batch ?? '')}>
                <Name max={60}>{one.repository ?? ''}</Name>
            </Go>{' '}
            <span className="quiet">{words}</span>
        </Table.Td>
    );
}
