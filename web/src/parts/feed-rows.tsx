/* The rows of a list that does not move while somebody reads it, and the pill that says what came since. */
import type { Feed } from '../api/feed.ts';
import { NewerPill } from './pill.tsx';
import { Rows, type RowsProps } from './rows.tsx';

type OfFeed = 'items' | 'hasMore' | 'isMoreComing' | 'more' | 'look' | 'turn';

interface FeedRowsProps<T> extends Omit<RowsProps<T>, OfFeed> {
    feed: Feed<T>;
    /** With lines between the rows; without: the rows as they are. */
    items?: RowsProps<T>['items'];
}

export function FeedRows<T>({ feed, items = feed.items, ...rows }: FeedRowsProps<T>) {
    return (
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
    );
}
