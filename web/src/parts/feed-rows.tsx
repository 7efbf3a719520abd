/* The rows of a list that does not move while somebody reads it, and the pill that says what came since. */
import type { ReactNode } from 'react';
import type { Feed } from '../api/feed.ts';
import { Listed } from './listed.tsx';
import { NewerPill } from './pill.tsx';
import { Rows, type RowsProps } from './rows.tsx';

type OfFeed = 'items' | 'hasMore' | 'isMoreComing' | 'more' | 'look' | 'turn';

interface FeedRowsProps<T> extends Omit<RowsProps<T>, OfFeed> {
    feed: Feed<T>;
    /** With lines between the rows; without: the rows as they are. */
    items?: RowsProps<T>['items'];
    /** Said when nothing is there. */
    none: ReactNode;
}

export function FeedRows<T>({ feed, none, items = feed.items, ...rows }: FeedRowsProps<T>) {
    return (
        <Listed list={feed} none={none}>
            <div className="feed">
                <NewerPill newer={feed.newer} isFar={feed.isFar} show={feed.show} />
                <Rows
                    {...rows}
                    items={items}
                    hasMore={feed.hasMore}
                    isMoreComing={feed.isMoreComing}
                    more={feed.more}
                    look={feed.look}
                    turn={feed.turn}
                />
            </div>
        </Listed>
    );
}
