/* One node: where it stands and why, what can be done, what it ran with, and what came of it. */
import { ActionIcon, Code, Group } from '@mantine/core';
import { IconX } from '@tabler/icons-react';
import { useEffect, useState, type ReactNode } from 'react';
import { paths } from '../../app/paths.ts';
import { Problem } from '../../app/problem.tsx';
import { nodeAt, type Graph } from '../../logic/graph.ts';
import { isWaitSkippable, skippedText } from '../../logic/skip-wait.ts';
import { isEnded, isLive, isNodeState, isRetryable } from '../../logic/states.ts';
import { Command } from '../../parts/command.tsx';
import { ActButton } from '../../parts/confirm.tsx';
import { Go, Out } from '../../parts/go.tsx';
import { Waiting } from '../../parts/page.tsx';
import { Status } from '../../parts/status.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago, Duration, msOf, Took, useNow } from '../../parts/time.tsx';
import { PlanCounts } from './cells.tsx';
import {
    cancelNodeOrder,
    isPending,
    reread,
    rerunOrder,
    skipWaitOrder,
    useNode,
    useNodeReasons,
    type Batch,
    type NodeRun,
    type NodeWhole,
} from './data.ts';
import { RunOutput } from './output.tsx';
import { Reasons, sentence } from './reasons.tsx';

export function Panel(props: {
    batch: Batch;
    graph: Graph;
    position: number;
    mayOperate: boolean;
    href: (position: number) => string;
    close: () => void;
}) {
    const { batch, graph, position, close } = props;
    const node = useNode(batch.id, position);
    const short = nodeAt(graph, position);
    const runUrl = node.data?.runUrl ?? short?.runUrl;
    if (!short)
        return (
            <Frame title="No such node" close={close}>
                <p className="quiet">
                    This batch has {graph.nodes.length.toLocaleString('en')} nodes, counted from 0;
                    there is none with number {position}.
                </p>
            </Frame>
        );
    return (
        <Frame
            title={
                <>
                    <Name max={300}>{short.component}</Name>
                    <span className="quiet panel-stack">
                        {' in '}
                        <Name max={300}>{short.stack}</Name>
                    </span>
                </>
            }
            close={close}
        >
            <div className="panel-facts">
                <Status state={short.state} />
                <Command command={short.command} />
                <PlanCounts counts={short.counts} />
                {short.startedMs !== null && (
                    <span className="quiet">
                        <Took from={short.startedMs} to={short.endedMs} />
                    </span>
                )}
                {short.attempt > 1 && <span className="quiet">attempt {short.attempt}</span>}
                {runUrl && <Out href={runUrl}>run</Out>}
                {batch.repositoryId > 0 && (
                    <Go to={paths.instance(batch.repositoryId, short.stack, short.component)}>
                        instance
                    </Go>
                )}
            </div>
            <NodeActs {...props} node={node.data} />
            {node.error && !node.data && (
                <Problem
                    error={node.error}
                    title="This node could not be read"
                    again={() => void node.refetch()}
                />
            )}
            {!node.data && !node.error && <Waiting />}
            <NodeWhyChain {...props} />
            {node.data && <Whole {...props} node={node.data} />}
        </Frame>
    );
}

function Frame(props: { title: ReactNode; close: () => void; children: ReactNode }) {
    return (
        <aside className="frame panel" aria-label="Node">
            <div className="panel-head">
                <h2>{props.title}</h2>
                <ActionIcon
                    variant="subtle"
                    color="gray"
                    aria-label="Close the node (Esc)"
                    onClick={props.close}
                >
                    <IconX size={16} aria-hidden />
                </ActionIcon>
            </div>
            <div className="panel-body">{props.children}</div>
        </aside>
    );
}

function Section(props: { title: string; children: ReactNode; extra?: ReactNode }) {
    return (
        <section className="panel-section">
            <h3>
                {props.title}
                {props.extra && <span className="quiet"> {props.extra}</span>}
            </h3>
            {props.children}
        </section>
    );
}

function NodeActs(props: {
    batch: Batch;
    graph: Graph;
    position: number;
    mayOperate: boolean;
    node: NodeWhole | undefined;
}) {
    const { batch, graph, position, mayOperate, node } = props;
    const state = nodeAt(graph, position)?.state ?? 'waiting';
    if (!mayOperate) return null;
    const mayRun = isEnded(state) && !['skipped', 'superseded', 'not_dispatched'].includes(state);
    const isOver =
        batch.supersededBy !== null || batch.state === 'held' || batch.state === 'preparing';
    const lock = node?.lock ?? null;
    return (
        <Group gap={8} mb={4}>
            {mayRun && !isOver && (
                <ActButton<Record<string, unknown>>
                    variant={isRetryable(state) ? 'filled' : 'default'}
                    order={() => rerunOrder(batch.id, position)}
                    ask={
                        isRetryable(state)
                            ? undefined
                            : {
                                  title: 'Run it again?',
                                  text: 'It has succeeded. It goes out once more with the same inputs; what waits for it waits again.',
                                  word: 'Run it again',
                              }
                    }
                    done={(outcome) =>
                        isPending(outcome)
                            ? 'Accepted: it goes out in a moment.'
                            : 'It goes out again.'
                    }
                    after={() => reread(batch.id)}
                >
                    {isRetryable(state) ? 'Retry' : 'Run again'}
                </ActButton>
            )}
            {!isEnded(state) && state !== 'cancelling' && batch.state === 'running' && (
                <ActButton<Record<string, unknown>>
                    order={() => cancelNodeOrder(batch.id, position)}
                    ask={{
                        title: 'Cancel this node?',
                        text: isLive(state)
                            ? 'Its run is told to stop at the forge, and keeps what it has done so far. What waits for it counts it as one that did not succeed.'
                            : 'It never starts, unless somebody runs it again. What waits for it counts it as one that did not succeed.',
                        word: 'Cancel the node',
                        isGrave: true,
                    }}
                    done={(outcome) =>
                        isPending(outcome)
                            ? 'Accepted: it stops in a moment.'
                            : 'It is told to stop.'
                    }
                    after={() => reread(batch.id)}
                >
                    Cancel
                </ActButton>
            )}
            {lock && isWaitSkippable(state, lock) && (
                // Another grant is another question: one that was asked about the lock before it is gone.
                <ActButton<Record<string, unknown>>
                    key={String(lock.token)}
                    order={() => skipWaitOrder(batch.id, position, lock)}
                    ask={{
                        title: 'Skip the wait?',
                        text: (
                            <>
                                <p>
                                    <Name max={60}>{lock.actor || 'Somebody'}</Name> holds the lock
                                    that this node waits for
                                    {lock.lockMessage !== '' && (
                                        <>
                                            : “<Name max={300}>{lock.lockMessage}</Name>”
                                        </>
                                    )}
                                    .
                                </p>
                                <p>
                                    Nothing is dispatched onto a locked instance, so this lock ends,
                                    and whatever else waits for it goes, too. Be sure that nobody is
                                    working on it any more. The audit log keeps whose lock you ended.
                                </p>
                            </>
                        ),
                        word: 'End the lock and go on',
                        isGrave: true,
                    }}
                    done={skippedText}
                    after={() => reread(batch.id)}
                >
                    Skip the wait
                </ActButton>
            )}
        </Group>
    );
}

function NodeWhyChain(props: {
    batch: Batch;
    position: number;
    href: (position: number) => string;
}) {
    const { data } = useNodeReasons(props.batch.id, props.position);
    if (!data || data.reasons.length === 0) return null;
    return (
        <Section title="Why">
            <Reasons
                reasons={data.reasons}
                batchId={props.batch.id}
                position={props.position}
                href={props.href}
            />
        </Section>
    );
}

function Whole(props: {
    batch: Batch;
    graph: Graph;
    node: NodeWhole;
    href: (position: number) => string;
}) {
    const { graph, node, href } = props;
    return (
        <>
            <Runs node={node} />
            {node.lock && <LockNote lock={node.lock} />}
            {node.inTheWay && (
                <Section title="In the way">
                    <p>
                        A live run of the same instance (<Name>{node.inTheWay.workflow}</Name>,{' '}
                        <Status state={node.inTheWay.state} size={13} />
                        ):{' '}
                        <Go to={paths.batch(node.inTheWay.batchId, node.inTheWay.position)}>
                            show its batch
                        </Go>
                    </p>
                </Section>
            )}
            <Neighbours title="Waits for" positions={node.waitsFor} graph={graph} href={href} />
            <Neighbours title="Waited for by" positions={node.children} graph={graph} href={href} />
            <Inputs node={node} />
        </>
    );
}

function LockNote(props: { lock: NonNullable<NodeWhole['lock']> }) {
    const { lock } = props;
    const now = useNow();
    return (
        <Section title="Lock">
            <p>
                Held by <Name max={60}>{lock.actor || 'somebody'}</Name> since{' '}
                <Ago at={lock.createdAt} />
                {lock.expiresAt !== null && (
                    <>
                        , ends in{' '}
                        <Duration
                            ms={Math.max(0, Math.floor((msOf(lock.expiresAt) - now) / 1000) * 1000)}
                        />
                    </>
                )}
                .
            </p>
            {lock.lockMessage !== '' && (
                <p>
                    “<Name max={600}>{lock.lockMessage}</Name>”
                </p>
            )}
            <p className="quiet">
                <Name max={300} isMono>
                    {lock.key}
                </Name>
            </p>
        </Section>
    );
}

const neighboursShown = 6;
function Neighbours(props: {
    title: string;
    positions: readonly number[];
    graph: Graph;
    href: (position: number) => string;
}) {
    const [isAll, setAll] = useState(false);
    const { positions, graph, href } = props;
    if (positions.length === 0) return null;
    const shown = isAll ? positions.slice(0, 500) : positions.slice(0, neighboursShown);
    return (
        <Section
            title={props.title}
            extra={positions.length > 1 ? positions.length.toLocaleString('en') : ''}
        >
            <ul className="neighbours">
                {shown.map((position) => {
                    const one = nodeAt(graph, position);
                    if (!one) return null;
                    return (
                        <li key={position}>
                            <Status state={one.state} size={13} />
                            <Go to={href(position)}>
                                <Name max={80}>{one.component}</Name>
                            </Go>
                            <span className="quiet">
                                <Name max={60}>{one.stack}</Name>
                            </span>
                        </li>
                    );
                })}
            </ul>
            {positions.length > shown.length && (
                <button type="button" className="link" onClick={() => setAll(true)}>
                    and {(positions.length - shown.length).toLocaleString('en')} more
                </button>
            )}
        </Section>
    );
}

function Runs(props: { node: NodeWhole }) {
    const { runs } = props.node;
    const [open, setOpen] = useState<string | null>(null);
    const newest = runs[0]?.id ?? null;
    useEffect(() => setOpen(null), [newest]);
    if (runs.length === 0) return null;
    const shown = open ?? newest;
    return (
        <Section
            title={runs.length === 1 ? 'Run' : 'Runs'}
            extra={runs.length > 1 ? runs.length : ''}
        >
            <ol className="runs">
                {runs.map((run) => (
                    <li key={run.id}>
                        <RunLine
                            run={run}
                            isOpen={run.id === shown}
                            open={() => setOpen(run.id)}
                            isOnly={runs.length === 1}
                        />
                        {run.id === shown && <RunBody run={run} />}
                    </li>
                ))}
            </ol>
        </Section>
    );
}

function RunLine(props: { run: NodeRun; isOpen: boolean; isOnly: boolean; open: () => void }) {
    const { run, isOpen, isOnly, open } = props;
    return (
        <div className="run-line">
            {isOnly ? (
                <span>Attempt {run.attempt}</span>
            ) : (
                <button type="button" className="link" aria-expanded={isOpen} onClick={open}>
                    Attempt {run.attempt}
                </button>
            )}
            <Status state={run.state} size={13} />
            <PlanCounts counts={run.counts as never} />
            <span className="quiet">
                <Ago at={run.startedAt ?? run.dispatchedAt ?? run.createdAt} />
                {run.startedAt !== null && (
                    <>
                        {', '}
                        <Took from={run.startedAt} to={run.endedAt} />
                    </>
                )}
            </span>
            {run.exitCode !== null && run.exitCode !== 0 && (
                <span className="quiet">exit code {run.exitCode}</span>
            )}
            {run.url !== '' && (
                <Out href={run.url}>
                    {run.forgeAttempt > 1 ? `run, attempt ${run.forgeAttempt}` : 'run'}
                </Out>
            )}
        </div>
    );
}

function RunBody(props: { run: NodeRun }) {
    const { run } = props;
    const { output } = run;
    return (
        <>
            {run.errorText !== '' && (
                <p className="run-error">
                    <bdi>{sentence(run.errorText)}</bdi>
                </p>
            )}
            {output?.errors.map((error, index) => (
                <p key={index} className="run-error">
                    <bdi>{error}</bdi>
                </p>
            ))}
            {output && output.changes.length > 0 && <Changes changes={output.changes} />}
            {output && output.text !== '' ? (
                <RunOutput
                    text={output.text}
                    isCut={output.cut}
                    runId={run.id}
                    label={`Output of attempt ${run.attempt}`}
                />
            ) : (
                isNodeState(run.state) &&
                isEnded(run.state) &&
                run.url !== '' && (
                    <p className="quiet">
                        The CLI has not reported its output; the{' '}
                        <Out href={run.url}>log of the run</Out> has it.
                    </p>
                )
            )}
        </>
    );
}

const changesShown = 12;
function Changes(props: { changes: { action: string; address: string }[] }) {
    const [isAll, setAll] = useState(false);
    const { changes } = props;
    const shown = isAll ? changes.slice(0, 1_000) : changes.slice(0, changesShown);
    return (
        <>
            <ul className="changes">
                {shown.map((change, index) => (
                    <li key={index}>
                        <span className="badge">{change.action.slice(0, 24)}</span>{' '}
                        <Name max={200} isMono>
                            {change.address}
                        </Name>
                    </li>
                ))}
            </ul>
            {changes.length > shown.length && (
                <button type="button" className="link" onClick={() => setAll(true)}>
                    and {(changes.length - shown.length).toLocaleString('en')} more
                </button>
            )}
        </>
    );
}

function Inputs(props: { node: NodeWhole }) {
    const { node } = props;
    // As it stands in the settings: {inputs: {…}}, sometimes with a ref beside.
    const { inputs: inner, ...beside } = (node.inputs ?? {}) as Record<string, unknown>;
    const inputs = Object.entries({
        ...beside,
        ...(isObject(inner) ? inner : inner === undefined ? {} : { inputs: inner }),
    });
    return (
        <Section title="Dispatched as">
            <dl className="inputs">
                <dt>workflow</dt>
                <dd>
                    <Name max={255} isMono>
                        {node.workflow || '–'}
                    </Name>
                </dd>
                {inputs.map(([name, value]) => (
                    <div key={name} style={{ display: 'contents' }}>
                        <dt>
                            <Name max={80}>{name}</Name>
                        </dt>
                        <dd>
                            <Name max={400} isMono>
                                {typeof value === 'string' ? value : JSON.stringify(value)}
                            </Name>
                        </dd>
                    </div>
                ))}
            </dl>
            {node.errorText !== '' && (
                <p className="run-error">
                    <bdi>{sentence(node.errorText)}</bdi>{' '}
                    {node.errorCode !== '' && <Code>{node.errorCode}</Code>}
                </p>
            )}
        </Section>
    );
}

function isObject(value: unknown): value is Record<string, unknown> {
    return typeof value === 'object' && value !== null && !Array.isArray(value);
}
