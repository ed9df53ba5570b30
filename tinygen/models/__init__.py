"""Floor 4: the models, one file a paper. Each opens with the paper's objective, in its symbols.

gan      Goodfellow et al. 2014: the game, both losses of the generator
dcgan    Radford et al. 2015: the convolutional networks that make it train
wgan     Arjovsky et al. 2017: a critic's estimate of the Wasserstein distance, by clipped weights
wgan_gp  Gulrajani et al. 2017: the same by a penalty on the critic's gradient
vae      Kingma & Welling 2013: the evidence lower bound, Gaussian and Bernoulli observations
iwae     Burda et al. 2015: the k-sample bound, and log p(x) by 5,000 samples
aae      Makhzani et al. 2015: an autoencoder whose codes a discriminator makes to follow a prior
priors   the priors of the AAE: swiss roll, mixture on a circle, Gaussian, a part for each label
"""
