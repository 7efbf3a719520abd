/* Now: what needs somebody, what runs, what is next, and what came last. */
import type { ReactNode } from 'react';
import type { Schemas } from '../../api/client.ts';
import { queries, useIsAdmin, useRead } from '../../api/queries.ts';
import { paths } from '../../app/paths.ts';
import { Problem } from '../../app/problem.tsx';
import { eventLines, type ToldLine } from '../../logic/event-words.ts';
import { Go } from '../../parts/go.tsx';
import { Empty, Page, Waiting } from '../../parts/page.tsx';
import { useRepositories } from '../../parts/repository.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago } from '../../parts/time.tsx';
import {
    ApprovalLine,
    FailedLine,
    HeldLine,
    LockLine,
    NextLine,
    RefusedLine,
    RunningLine,
} from './lines.tsx';
import '../../parts/lists.css';

type Home = Schemas['Home'];

const path = '/api/v1/home';

export default function Now() {
    const home = useRead<Home>({ path, on: ['batches', 'runs', 'locks', 'uploads', 'facts'] });
    return (
        <Page title="Now">
            {home.error ? (
                <Problem error={home.error} again={() => void home.refetch()} />
            ) : home.data ? (
                <Columns home={home.data} />
            ) : (
                <Waiting />
            )}
        </Page>
    );
}

function Columns({ home }: { home: Home }) {
    const repositories = useRepositories();
    const isAdmin = useIsAdmin();
    const { needs, more } = home;
    const again = () => void queries.invalidateQueries({ queryKey: [path] });
    const needed =
        needs.held.length +
        needs.approvals.length +
        needs.failed.length +
        needs.locks.length +
        needs.refused.length;
    if (needed + home.running.length + home.next.length === 0 && home.lastEventAt === null)
        return (
            <Empty
                title="Nothing has come in yet"
                acts={
                    isAdmin ? <Go to={paths.start()}>Set Signalbox up, step by step</Go> : undefined
                }
            >
                This page shows what needs you, what runs and what is next, as soon as a repository
                with the GitHub App sends its first event.
            </Empty>
        );
    const events = eventLines(home.last);
    const all = (extra: number, to: string) =>
        extra > 0 && <Go to={to}>{extra.toLocaleString('en')} more</Go>;
    return (
        <div className="now">
            <div className="stacked now-main">
                <Section
                    title="Needs you"
                    count={
                        needed +
                        more.held +
                        more.approvals +
                        more.failed +
                        more.locks +
                        more.refused
                    }
                    none={<Calm lastEventAt={home.lastEventAt} />}
                    rest={
                        <>
                            {all(more.approvals, `${paths.deployments()}?state=waiting_approval`)}
                            {all(
                                more.failed,
                                `${paths.deployments()}?state=failure,timed_out,error`,
                            )}
                            {all(more.locks, paths.locks())}
                            {more.held > 0 && (
                                <span>{more.held.toLocaleString('en')} more held</span>
                            )}
                            {more.refused > 0 && (
                                <span>{more.refused.toLocaleString('en')} more refused</span>
                            )}
                        </>
                    }
                >
                    {needs.held.map((batch) => (
                        <HeldLine key={batch.id} batch={batch} after={again} />
                    ))}
                    {needs.approvals.map((run) => (
                        <ApprovalLine key={run.id} run={run} />
                    ))}
                    {needs.failed.map((batch) => (
                        <FailedLine key={batch.id} batch={batch} after={again} />
                    ))}
                    {needs.refused.map((upload) => (
                        <RefusedLine key={upload.id} upload={upload} />
                    ))}
                    {needs.locks.map((lock) => (
                        <LockLine
                            key={lock.id}
                            lock={lock}
                            repositories={repositories}
                            after={again}
                        />
                    ))}
                </Section>
                <Section
                    title="Running"
                    count={home.running.length + more.running}
                    none="Nothing runs."
                    rest={all(more.running, `${paths.deployments()}?state=running`)}
                >
                    {home.running.map((batch) => (
                        <RunningLine key={batch.id} batch={batch} />
                    ))}
                </Section>
                <Section
                    title="Next"
                    count={home.next.length + more.next}
                    none="Nothing waits to start."
                >
                    {home.next.map((batch) => (
                        <NextLine key={batch.id} batch={batch} />
                    ))}
                </Section>
            </div>
            <section aria-labelledby="last" className="now-last">
                <h2 id="last">Last events</h2>
                <ol className="events">
                    {events.map((line, i) => (
                        <EventLine key={`${line.event.at} ${i}`} line={line} />
                    ))}
                </ol>
                {events.length === 0 && <p className="quiet">None that changed something.</p>}
            </section>
        </div>
    );
}

function EventLine({ line }: { line: ToldLine<Home['last'][number]> }) {
    const { words, runId, event, count } = line;
    const to =
        event.batchId !== null
            ? paths.batch(event.batchId)
            : runId !== null
              ? paths.run(runId)
              : '';
    const what = event.kind.replace(/^webhook\./, '').replaceAll('_', ' ');
    return (
        <li>
            <span className="quiet events-when">
                <Ago at={event.at} />
            </span>
            <span>
                {to === '' ? (
                    <Name max={160}>{words}</Name>
                ) : (
                    <Go to={to} isPlain>
                        <Name max={160}>{words}</Name>
                    </Go>
                )}
                {count > 1 && <span className="quiet"> {count} times</span>}
                <span className="quiet events-what">
                    {what !== words && what}
                    {event.repository !== null && (
                        <>
                            {what !== words && ' · '}
                            <Name max={50}>{event.repository}</Name>
                        </>
                    )}
                    {event.actor !== '' && (
                        <>
                            {' · '}
                            <Name max={30}>{event.actor}</Name>
                        </>
                    )}
                </span>
            </span>
        </li>
    );
}

function Calm({ lastEventAt }: { lastEventAt: string | null }) {
    return (
        <>
            Nothing waits for you.{' '}
            {lastEventAt !== null && (
                <>
                    The last event came <Ago at={lastEventAt} />.
                </>
            )}
        </>
    );
}

interface SectionProps {
    title: string;
    count: number;
    none: ReactNode;
    rest?: ReactNode;
    children: ReactNode[];
}

function Section({ title, count, none, rest, children }: SectionProps) {
    const id = `now-${title.toLowerCase().replace(' ', '-')}`;
    return (
        <section aria-labelledby={id}>
            <h2 id={id}>
                {title} {count > 0 && <span className="quiet">{count.toLocaleString('en')}</span>}
            </h2>
            {count === 0 ? (
                <p className="quiet now-none">{none}</p>
            ) : (
                <>
                    <ul className="lines frame">{children}</ul>
                    <div className="bar quiet now-rest">{rest}</div>
                </>
            )}
        </section>
    );
}
