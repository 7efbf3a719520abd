/* The lines of Now: each says what it is, why it stands here, and has the one act that would change that. */
import { IconPlayerPlay, IconRefresh } from '@tabler/icons-react';
import type { ReactNode } from 'react';
import type { Schemas } from '../../api/client.ts';
import { useRights } from '../../api/queries.ts';
import { paths } from '../../app/paths.ts';
import { BatchTitle, doneOf, Progress, type Batch } from '../../parts/batches.tsx';
import { ActButton } from '../../parts/confirm.tsx';
import { Countdown } from '../../parts/countdown.tsx';
import { Go, Out } from '../../parts/go.tsx';
import type { KnownRepositories } from '../../parts/repository.tsx';
import { Status } from '../../parts/status.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago, msOf, useNow } from '../../parts/time.tsx';
import { durationWords } from '../../logic/time.ts';
import { LockKey, Unlock } from '../locks/lock.tsx';

type Run = Schemas['Run'];
type Lock = Schemas['Lock'];
type Upload = Schemas['Upload'];

interface LineProps {
    status: ReactNode;
    title: ReactNode;
    /** Where it belongs. */
    place: string;
    why: ReactNode;
    when: ReactNode;
    act?: ReactNode;
}

function Line({ status, title, place, why, when, act }: LineProps) {
    return (
        <li className="line">
            <span className="line-status">{status}</span>
            <span className="line-text">
                <span className="line-title">
                    {title}
                    <span className="quiet line-place">
                        <Name max={60}>{place}</Name>
                    </span>
                </span>
                <span className="quiet line-why">{why}</span>
            </span>
            <span className="line-when quiet">{when}</span>
            <span className="line-act">{act}</span>
        </li>
    );
}

interface BatchProps {
    batch: Batch;
    after: () => void;
}

export function HeldLine({ batch, after }: BatchProps) {
    const rights = useRights(batch.repositoryId);
    return (
        <Line
            status={<Status state="held" />}
            title={
                <Go to={paths.batch(batch.id)} isPlain>
                    <BatchTitle batch={batch} />
                </Go>
            }
            place={batch.repository}
            why={batch.heldText ? <Name max={300}>{batch.heldText}</Name> : 'Its page says why.'}
            when={<Ago at={batch.createdAt} />}
            act={
                rights.operate && (
                    <ActButton
                        size="compact-xs"
                        variant="light"
                        leftSection={<IconPlayerPlay size={13} aria-hidden />}
                        order={() => ({
                            method: 'POST',
                            path: `/api/v1/batches/${batch.id}/release`,
                        })}
                        ask={{
                            title: 'Let this batch go?',
                            word: 'Release',
                            text: (
                                <>
                                    <p>
                                        <BatchTitle batch={batch} />
                                    </p>
                                    <p>
                                        {batch.dispatchable === 1
                                            ? 'One run is dispatched.'
                                            : `${batch.dispatchable.toLocaleString('en')} runs are dispatched, in their order.`}{' '}
                                        {batch.heldText && (
                                            <Name
                                                max={300}
                                            >{`It is held: ${batch.heldText}.`}</Name>
                                        )}
                                    </p>
                                </>
                            ),
                        }}
                        done={() => 'Released.'}
                        after={after}
                    >
                        Release
                    </ActButton>
                )
            }
        />
    );
}

export function FailedLine({ batch, after }: BatchProps) {
    const rights = useRights(batch.repositoryId);
    const { bad, of } = doneOf(batch);
    return (
        <Line
            status={<Status state="failure" />}
            title={
                <Go to={paths.batch(batch.id)} isPlain>
                    <BatchTitle batch={batch} />
                </Go>
            }
            place={batch.repository}
            why={
                batch.error !== '' ? <Name max={300}>{batch.error}</Name> : `${bad} of ${of} failed`
            }
            when={<Ago at={batch.endedAt} />}
            act={
                rights.operate &&
                bad > 0 && (
                    <ActButton
                        size="compact-xs"
                        leftSection={<IconRefresh size={13} aria-hidden />}
                        order={() => ({
                            method: 'POST',
                            path: `/api/v1/batches/${batch.id}/retry`,
                        })}
                        ask={{
                            title:
                                bad === 1
                                    ? 'Send the failed one again?'
                                    : `Send the ${bad} failed ones again?`,
                            word: 'Retry',
                            text: 'What waited for them and was skipped goes again, too.',
                        }}
                        done={() => 'They go again.'}
                        after={after}
                    >
                        Retry
                    </ActButton>
                )
            }
        />
    );
}

export function ApprovalLine({ run }: { run: Run }) {
    return (
        <Line
            status={<Status state="waiting_approval" />}
            title={
                <Go to={paths.batch(run.batchId, run.position)} isPlain>
                    <Name max={60}>{run.component}</Name> <span className="quiet">in</span>{' '}
                    <Name max={60}>{run.stack}</Name>
                </Go>
            }
            place={run.repository}
            why="Its environment wants a reviewer."
            when={<Ago at={run.createdAt} />}
            act={run.url !== '' && <Out href={run.url}>Review</Out>}
        />
    );
}

export function LockLine(props: {
    lock: Lock;
    repositories: KnownRepositories;
    after: () => void;
}) {
    const { lock } = props;
    return (
        <Line
            status={<Status state="locked" />}
            title={<LockKey lock={lock} repositories={props.repositories} isPlain />}
            place={lock.actor}
            why={
                lock.lockMessage === '' ? (
                    'They gave no reason.'
                ) : (
                    <Name max={300}>{lock.lockMessage}</Name>
                )
            }
            when={
                lock.expiresAt !== null && (
                    <Countdown
                        from_ms={msOf(lock.createdAt ?? lock.expiresAt)}
                        until_ms={msOf(lock.expiresAt)}
                    />
                )
            }
            act={<Unlock {...props} />}
        />
    );
}

export function RefusedLine({ upload }: { upload: Upload }) {
    return (
        <Line
            status={<Status state="refused" />}
            title={
                <Go to={paths.repository(upload.repositoryId, 'uploads')} isPlain>
                    Upload for <span className="mono">{upload.headSha.slice(0, 7)}</span>
                </Go>
            }
            place={upload.repository}
            why={<Name max={300}>{upload.note ?? ''}</Name>}
            when={<Ago at={upload.receivedAt} />}
        />
    );
}

export function RunningLine({ batch }: { batch: Batch }) {
    return (
        <Line
            status={<Status state="running" />}
            title={
                <Go to={paths.batch(batch.id)} isPlain>
                    <BatchTitle batch={batch} />
                </Go>
            }
            place={batch.repository}
            why={<Progress batch={batch} />}
            when={<Ago at={batch.startedAt ?? batch.createdAt} />}
            act={<Left until={batch.expectedEndAt} />}
        />
    );
}

export function NextLine({ batch }: { batch: Batch }) {
    return (
        <Line
            status={<Status state={batch.state} />}
            title={
                <Go to={paths.batch(batch.id)} isPlain>
                    <BatchTitle batch={batch} />
                </Go>
            }
            place={batch.repository}
            why={`${batch.dispatchable.toLocaleString('en')} to dispatch`}
            when={<Ago at={batch.createdAt} />}
            act={<Left until={batch.expectedEndAt} />}
        />
    );
}

/** What is expected to be left; an estimate that is over says so instead of counting down to nothing. */
function Left({ until }: { until: string | null }) {
    const now_ms = useNow(10_000);
    if (until === null) return null;
    const left_ms = msOf(until) - now_ms;
    return (
        <span className="quiet">
            {left_ms > 0 ? `${durationWords(roughly(left_ms))} left` : 'longer than usual'}
        </span>
    );
}

/** An estimate has no seconds once it has minutes. */
function roughly(ms: number): number {
    const step_ms = ms > 60_000 ? 60_000 : 10_000;
    return Math.ceil(ms / step_ms) * step_ms;
}
