/* One instance: how it stands, what keeps it, every run, and what it stands on. */
import { Button } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useParams } from '@tanstack/react-router';
import { useMemo, useState, type ReactNode } from 'react';
import type { Schemas } from '../../api/client.ts';
import { useFeed } from '../../api/feed.ts';
import { queries, useRead, useRights } from '../../api/queries.ts';
import { paths } from '../../app/paths.ts';
import { Problem } from '../../app/problem.tsx';
import { durationsOf } from '../../logic/durations.ts';
import { Chart } from '../../parts/charts.tsx';
import { Command } from '../../parts/command.tsx';
import { Countdown } from '../../parts/countdown.tsx';
import { FeedRows } from '../../parts/feed-rows.tsx';
import { Go, useGo } from '../../parts/go.tsx';
import { DriftStatus } from '../../parts/instances.tsx';
import { Page, Waiting } from '../../parts/page.tsx';
import { useRepositories } from '../../parts/repository.tsx';
import { runColumns, type Run } from '../../parts/runs.tsx';
import { Status } from '../../parts/status.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago, msOf } from '../../parts/time.tsx';
import { Unlock } from '../locks/lock.tsx';
import { TakeLock } from '../locks/take.tsx';
import '../../parts/lists.css';

type InstanceWhole = Schemas['InstanceWhole'];
type InstanceShort = Schemas['InstanceShort'];

export default function InstancePage() {
    const params = useParams({ strict: false }) as {
        repositoryId?: string;
        stack?: string;
        _splat?: string;
    };
    const id = /^\d{1,15}$/.test(params.repositoryId ?? '') ? Number(params.repositoryId) : 0;
    const stack = params.stack ?? '';
    const component = params._splat ?? '';
    const path = `/api/v1/instances/${id}`;
    const read = useRead<InstanceWhole>({
        path,
        query: { stack, component },
        on: ['instances', 'runs', 'locks'],
        repository: id,
    });
    const title = (
        <>
            <Name>{component}</Name> <span className="quiet">in</span> <Name>{stack}</Name>
        </>
    );
    const name = `${component} in ${stack}`;
    if (read.error)
        return (
            <Page title={title} name={name}>
                <Problem error={read.error} again={() => void read.refetch()} />
            </Page>
        );
    if (!read.data)
        return (
            <Page title={title} name={name}>
                <Waiting />
            </Page>
        );
    const again = () => void queries.invalidateQueries({ queryKey: [path] });
    return <Known instance={read.data} title={title} name={name} again={again} />;
}

interface KnownProps {
    instance: InstanceWhole;
    title: ReactNode;
    name: string;
    again: () => void;
}

function Known({ instance, title, name, again }: KnownProps) {
    const rights = useRights(instance.repositoryId);
    const [isTaking, setTaking] = useState(false);
    return (
        <Page
            title={title}
            name={name}
            sub={
                <Go to={paths.repository(instance.repositoryId)}>
                    <Name>{instance.repository}</Name>
                </Go>
            }
            acts={
                rights.operate &&
                instance.lock === null && (
                    <Button
                        variant="default"
                        leftSection={<IconLock size={14} aria-hidden />}
                        onClick={() => setTaking(true)}
                    >
                        Lock it
                    </Button>
                )
            }
        >
            <div className="cards">
                <Card title="Drift">
                    <DriftStatus instance={instance} />
                    <div className="quiet">
                        {instance.driftEnabled ? 'looked for' : 'not looked for'}
                        {instance.componentType !== '' && `, ${instance.componentType}`}
                    </div>
                </Card>
                <Card title="Lock">
                    <LockOf instance={instance} again={again} />
                </Card>
                <Card title="Last run">
                    {instance.lastRunAt === null ? (
                        <span className="quiet">none</span>
                    ) : (
                        <>
                            <Command command={instance.lastCommand} />{' '}
                            <Ago at={instance.lastRunAt} />
                            <div className="quiet">
                                {instance.lastExitCode === null
                                    ? 'no exit code'
                                    : `exit code ${instance.lastExitCode}`}
                            </div>
                        </>
                    )}
                </Card>
                <Card title="Last plan">
                    <Counts counts={instance.counts} />
                </Card>
            </div>
            <div className="beside">
                <Others
                    title="Stands on"
                    rows={instance.dependsOn}
                    repositoryId={instance.repositoryId}
                    none="Nothing, as far as its newest batch knows."
                />
                <Others
                    title="Stands below"
                    rows={instance.dependents}
                    repositoryId={instance.repositoryId}
                    none="Nothing that its newest batch knows."
                />
            </div>
            <h2>Runs</h2>
            <Runs instance={instance} />
            <TakeLock
                isOpen={isTaking}
                first={{
                    repository: instance.repository,
                    stack: instance.stack,
                    component: instance.component,
                }}
                close={() => setTaking(false)}
                taken={again}
            />
        </Page>
    );
}

function Card({ title, children }: { title: string; children: ReactNode }) {
    return (
        <section className="frame card">
            <h2>{title}</h2>
            <div>{children}</div>
        </section>
    );
}

function LockOf({ instance, again }: { instance: InstanceWhole; again: () => void }) {
    const repositories = useRepositories();
    const { lock } = instance;
    if (lock === null) return <span className="quiet">not locked</span>;
    return (
        <>
            <span className="bar">
                <Status state="locked" word="locked" />
                {lock.expiresAt !== null && (
                    <Countdown
                        from_ms={msOf(lock.createdAt ?? lock.expiresAt)}
                        until_ms={msOf(lock.expiresAt)}
                    />
                )}
                <Unlock lock={lock} repositories={repositories} after={again} />
            </span>
            <div className="quiet">
                <Name max={40}>{lock.actor}</Name>
                {lock.lockMessage !== '' && (
                    <>
                        : <Name max={200}>{lock.lockMessage}</Name>
                    </>
                )}
            </div>
        </>
    );
}

function Counts({ counts }: { counts: InstanceWhole['counts'] }) {
    if (counts === null) return <span className="quiet">no figures were reported</span>;
    const parts = [
        ['create', 'to add'],
        ['change', 'to change'],
        ['replace', 'to replace'],
        ['destroy', 'to destroy'],
    ] as const;
    const shown = parts.filter(([key]) => (counts[key] ?? 0) > 0);
    if (shown.length === 0) return <span>no changes</span>;
    return (
        <span className="bar">
            {shown.map(([key, word]) => (
                <span
                    key={key}
                    className={key === 'destroy' || key === 'replace' ? 'counts-bad' : undefined}
                >
                    <strong>{counts[key]!.toLocaleString('en')}</strong> {word}
                </span>
            ))}
        </span>
    );
}

const others_max = 30;

function Others(props: {
    title: string;
    rows: InstanceShort[];
    repositoryId: number;
    none: string;
}) {
    return (
        <section aria-label={props.title}>
            <h2>{props.title}</h2>
            {props.rows.length === 0 && <p className="quiet">{props.none}</p>}
            <ul className="plain">
                {props.rows.slice(0, others_max).map((one) => (
                    <li key={`${one.stack}/${one.component}`}>
                        <Go to={paths.instance(props.repositoryId, one.stack, one.component)}>
                            <Name max={60}>{one.component}</Name>
                        </Go>{' '}
                        <span className="quiet">
                            in <Name max={60}>{one.stack}</Name>
                        </span>
                    </li>
                ))}
            </ul>
            {props.rows.length > others_max && (
                <p className="quiet">
                    and {(props.rows.length - others_max).toLocaleString('en')} more
                </p>
            )}
        </section>
    );
}

function Runs({ instance }: { instance: InstanceWhole }) {
    const go = useGo();
    const feed = useFeed<Run>({
        path: '/api/v1/runs',
        query: { repo: instance.repository, stack: instance.stack, component: instance.component },
        on: ['runs'],
        repository: instance.repositoryId,
    });
    return (
        <>
            <Took runs={feed.items} />
            <FeedRows
                feed={feed}
                label="Runs of this instance"
                columns={runColumns([
                    'state',
                    'command',
                    'workflow',
                    'change',
                    'exit',
                    'took',
                    'actor',
                    'age',
                ])}
                keyOf={(run) => run.id}
                open={(run) => go(paths.batch(run.batchId, run.position))}
                none={<p className="quiet">Nothing was dispatched for it yet.</p>}
            />
        </>
    );
}

const tone_of: Record<string, string> = { apply: '--tone-good', plan: '--tone-busy' };

function Took({ runs }: { runs: readonly Run[] }) {
    const took = useMemo(() => durationsOf(runs), [runs]);
    const lines = useMemo(
        () =>
            took?.lines.map(({ command, values }) => ({
                label: command,
                tone: tone_of[command] ?? '--tone-quiet',
                values,
            })) ?? [],
        [took],
    );
    if (!took) return null;
    return (
        <Chart at_ms={took.at_ms} lines={lines} height={140} unit={took.unit} label={took.words} />
    );
}
