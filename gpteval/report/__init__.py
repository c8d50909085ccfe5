"""Result records, their store, and the leaderboard made from them."""
