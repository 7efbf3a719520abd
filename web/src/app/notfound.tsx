import { Go } from '../parts/go.tsx';
import { Empty, Page } from '../parts/page.tsx';
import { paths } from './paths.ts';

export function NotFound() {
    return (
        <Page title="There is no such page">
            <Empty title="Nothing is at this address">
                Perhaps it was mistyped, or what it showed belongs to another workspace.{' '}
                <Go to={paths.now()}>See what is happening now</Go>, or press <kbd>Ctrl</kbd>{' '}
                <kbd>K</kbd> to look for a page.
            </Empty>
        </Page>
    );
}
