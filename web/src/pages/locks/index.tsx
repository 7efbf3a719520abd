/* Locks: who keeps what, why, and for how long yet. */
import { Button } from '@mantine/core';
import { IconLock } from '@tabler/icons-react';
import { useMemo, useState } from 'react';
import type { Schemas } from '../../api/client.ts';
import { queries, usePages, useSession } from '../../api/queries.ts';
import { Countdown } from '../../parts/countdown.tsx';
import { Filter, useFilters } from '../../parts/filters.tsx';
import { Listed } from '../../parts/listed.tsx';
import { Empty, Page } from '../../parts/page.tsx';
import { Rows, type Column } from '../../parts/rows.tsx';
import { Name } from '../../parts/text.tsx';
import { Ago, msOf } from '../../parts/time.tsx';
import { useRepositories } from '../../parts/repository.tsx';
import { LockKey, Unlock } from './lock.tsx';
import { TakeLock } from './take.tsx';

type Lock = Schemas['Lock'];

const names = ['prefix'] as const;

export default function LocksPage() {
    const session = useSession();
    const [filters, setFilters] = useFilters(names);
    const [isTaking, setTaking] = useState(false);
    const locks = usePages<Lock>({
        path: '/api/v1/locks',
        query: { prefix: filters.prefix },
        on: ['locks'],
    });
    const repositories = useRepositories();
    const again = () => void queries.invalidateQueries({ queryKey: ['/api/v1/locks'] });
    const columns = useMemo<Column<Lock>[]>(
        () => [
            {
                key: 'key',
                title: 'What',
                width: 'minmax(220px, 2fr)',
                show: (lock) => <LockKey lock={lock} repositories={repositories} />,
            },
            {
                key: 'why',
                title: 'Why',
                width: 'minmax(160px, 2fr)',
                show: (lock) =>
                    lock.lockMessage === '' ? (
                        <span className="quiet">not said</span>
                    ) : (
                        <Name max={160}>{lock.lockMessage}</Name>
                    ),
            },
            {
                key: 'who',
                title: 'Who',
                width: 'minmax(110px, 1fr)',
                show: (lock) => <Name max={40}>{lock.actor}</Name>,
            },
            {
                key: 'since',
                title: 'Since',
                width: '90px',
                show: (lock) => <Ago at={lock.createdAt} />,
            },
            {
                key: 'left',
                title: 'Time left',
                width: '130px',
                show: (lock) =>
                    lock.expiresAt === null ? (
                        <span className="quiet">no end</span>
                    ) : (
                        <Countdown
                            from_ms={msOf(lock.createdAt ?? lock.expiresAt)}
                            until_ms={msOf(lock.expiresAt)}
                            hasBar
                        />
                    ),
            },
            {
                key: 'act',
                title: '',
                width: '84px',
                align: 'right',
                show: (lock) => <Unlock lock={lock} repositories={repositories} after={again} />,
            },
        ],
        [repositories],
    );
    const mayTake = session.rights.includes('operate');
    const take = mayTake && (
        <Button leftSection={<IconLock size={14} aria-hidden />} onClick={() => setTaking(true)}>
            Take a lock
        </Button>
    );
    return (
        <Page
            title="Locks"
            sub="While one is held, no run of its instance starts; what waits goes on by itself when it ends."
            acts={take}
        >
            <Filter
                label="Keys that begin with"
                placeholder="Key begins with…"
                value={filters.prefix}
                onChange={(prefix) => setFilters({ prefix })}
                width={300}
            />
            <Listed
                list={locks}
                none={
                    <NoLocks
                        isFiltered={filters.prefix !== ''}
                        clear={() => setFilters({ prefix: '' })}
                    />
                }
            >
                <Rows
                    label="Locks"
                    items={locks.items}
                    columns={columns}
                    keyOf={(lock) => lock.id}
                    hasMore={locks.hasMore}
                    isMoreComing={locks.isMoreComing}
                    more={locks.more}
                />
            </Listed>
            <TakeLock isOpen={isTaking} close={() => setTaking(false)} taken={again} />
        </Page>
    );
}

function NoLocks({ isFiltered, clear }: { isFiltered: boolean; clear: () => void }) {
    if (isFiltered)
        return (
            <Empty
                title="No lock begins so"
                acts={
                    <Button variant="default" onClick={clear}>
                        Show all locks
                    </Button>
                }
            />
        );
    return (
        <Empty title="Nothing is locked">
            Take a lock before you repair an instance by hand: its runs wait until you are done. The
            command line takes one with <code>atmos pro lock --component vpc --stack prod</code>; a
            run that is under way keeps its instance for itself without one.
        </Empty>
    );
}
