/* The link behind the comment: to the newest batch of the change, or why there is none. */
import { useParams } from '@tanstack/react-router';
import { useEffect } from 'react';
import { useRead } from '../../api/queries.ts';
import type { Schemas } from '../../api/client.ts';
import { paths } from '../../app/paths.ts';
import { Problem } from '../../app/problem.tsx';
import { Go, Out, useGo } from '../../parts/go.tsx';
import { Page, Waiting } from '../../parts/page.tsx';
import { Name } from '../../parts/text.tsx';
import './batch.css';
import type { Explanation } from './data.ts';
import { Reasons } from './reasons.tsx';

type ChangeWhole = Schemas['ChangeWhole'];

export default function ChangePage() {
    const { changeId } = useParams({ strict: false }) as { changeId: string };
    const change = useRead<ChangeWhole>({
        path: `/api/v1/changes/${encodeURIComponent(changeId)}`,
        on: ['batches', 'uploads', 'facts'],
    });
    const go = useGo();
    const newest = change.data?.batches[0]?.id;
    useEffect(() => {
        if (newest !== undefined) go(paths.batch(newest), true);
    }, [newest, go]);
    if (change.error && !change.data)
        return (
            <Page title="Change">
                <Problem
                    error={change.error}
                    title="This change could not be read"
                    again={() => void change.refetch()}
                />
            </Page>
        );
    if (!change.data || newest !== undefined)
        return (
            <Page title="Change">
                <Waiting />
            </Page>
        );
    return <NoBatch change={change.data} />;
}

function NoBatch(props: { change: ChangeWhole }) {
    const { change } = props;
    const isPull = change.kind === 'pull_request' && change.number > 0;
    const why = useRead<Explanation>({
        path: `/api/v1/repositories/${change.repositoryId}/pulls/${change.number}/explain`,
        on: ['batches', 'uploads', 'facts'],
        enabled: isPull,
    });
    return (
        <Page
            isNarrow
            title={<Name max={160}>{change.title || change.key}</Name>}
            name={change.title || change.key}
            sub={
                <>
                    <Go to={paths.repository(change.repositoryId)}>
                        <Name>{change.repository}</Name>
                    </Go>
                    {isPull && (
                        <>
                            {' · '}
                            <Out href={change.url}>#{change.number}</Out>
                        </>
                    )}
                </>
            }
        >
            <section className="callout" data-tone="quiet" aria-label="Why there is nothing">
                <h2>Nothing has started for this change yet</h2>
                {why.data ? (
                    <Reasons
                        reasons={why.data.reasons}
                        batchId=""
                        href={(position) => paths.batch(why.data?.batch?.id ?? '', position)}
                    />
                ) : (
                    <p>
                        As soon as its list of affected stacks arrives, this page goes on to the
                        batch by itself.
                    </p>
                )}
            </section>
        </Page>
    );
}
